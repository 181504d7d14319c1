import Commands

await EntenteCommand.launch()
