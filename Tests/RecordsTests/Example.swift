/// One record of each type, as a submission has it.
enum Example {
    static let head = #""time":"2026-03-01T12:00:00Z","author":"analyst","tlp":"green""#
    static let hash = String(repeating: "ab", count: 32)
    static let target = #""target":{"reference":"us.example/krus#1042","hash":"\#(hash)"}"#
    static let salt = "AAECAwQFBgcICQoLDA0ODw=="
    static let commitment = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    static let box = String(repeating: "AAAA", count: 26) + "AAA="
    static let bitcoin = "bip122:000000000019d6689c085ae165831e93"

    static func sealed(_ fields: [String]) -> String {
        let names = fields.map { "\"\($0)\"" }.joined(separator: ",")
        return #""sealed":{"suite":"entente-seal/1","salt":"\#(salt)","recipients":["#
            + #"{"node":"kr.example","key_id":"\#(hash)"},{"node":"us.example","key_id":"\#(hash)"}],"#
            + #""fields":[\#(names)],"size":512,"sha256":"\#(hash)","commitment":"\#(commitment)"}"#
    }

    static let members =
        #"{"v":1,"type":"members",\#(head),"members":["us.example","kr.example"],"carry_sealed":"recipients"}"#
    static let actor =
        #"{"v":1,"type":"actor",\#(head),"slug":"lazarus-group","label":"Lazarus Group","aliases":["APT38"],"#
        + #""categories":["organization"],"jurisdictions":["KP"],"external_ids":[{"scheme":"ofac","id":"27307"}]}"#
    static let attribution =
        #"{"v":1,"type":"attribution",\#(head),"incident":"bybit-2025","subject":{"chain":"eip155:1","#
        + #""address":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},"asset":"ETH","label":"Bybit exploiter","#
        + #""actor":"lazarus-group","concepts":["service_hack"],"tag_type":"actor","cluster_definer":false,"#
        + #""confidence":{"scheme":"tagpack","value":60,"level":"authority_data"},"source":"https://example.org/a","#
        + #""observed_at":"2025-02-26","valid_from":"2025-02-21T00:00:00Z","valid_until":"2025-12-31","#
        + #""provenance":{"format":"csv","file":"a.csv","position":"line 2","fields":{"x":[1,0.5]}}}"#
    static let transaction =
        #"{"v":1,"type":"attribution",\#(head),"subject":{"chain":"\#(bitcoin)","tx_hash":"\#(hash)"},"label":"theft"}"#
    static let sealedAttribution =
        #"{"v":1,"type":"attribution","time":"2026-03-01T12:00:00Z","author":"analyst","tlp":"amber","#
        + #""subject":{"chain":"eip155:1","address":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},"label":"x","#
        + "\(sealed(["case_number", "note"]))}"
    static let incident =
        #"{"v":1,"type":"incident",\#(head),"slug":"bybit-2025","name":"Bybit","kind":"heist","#
        + #""occurred_at":"2025-02-21","losses":[{"asset":"ETH","amount":"401346.76","value_usd":"1500000000"}],"#
        + #""actors":["lazarus-group"]}"#
    static let transfer =
        #"{"v":1,"type":"transfer",\#(head),"kind":"bridge","from":[{"chain":"eip155:1","#
        + #""address":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","asset":"ETH","amount":"1.5"}],"#
        + #""to":[{"chain":"\#(bitcoin)","address":"1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo","asset":"BTC"}],"#
        + #""txs":[{"chain":"\#(bitcoin)","tx_hash":"\#(hash)"}],"service":"thorchain","occurred_at":"2025-03-02"}"#
    static let assessment =
        #"{"v":1,"type":"assessment",\#(head),\#(target),"verdict":"corroborates","confidence":{"value":80},"#
        + #""reason":"same cluster"}"#
    static let withdrawal =
        #"{"v":1,"type":"withdrawal",\#(head),\#(target),"action":"supersedes","reason":"wrong chain","#
        + #""replacement":{"reference":"us.example/krus#1043","hash":"\#(hash)"}}"#
    static let grant =
        #"{"v":1,"type":"grant",\#(head),\#(target),"original_commitment":"\#(commitment)","recipients":["#
        + #"{"node":"jp.example","key_id":"\#(hash)","box":"\#(box)"}],"commitment":"\#(commitment)"}"#
    static let erasure = #"{"v":1,"type":"erasure",\#(head),\#(target),"sha256":"\#(hash)","reason":"court order"}"#
    static let key =
        #"{"v":1,"type":"key",\#(head),"role":"sealing","action":"replaces","key_id":"\#(hash)","#
        + #""public_key":"\#(commitment)","previous_key_id":"\#(hash)","epoch":2}"#

    static let all = [
        members, actor, attribution, transaction, sealedAttribution, incident, transfer, assessment, withdrawal, grant,
        erasure, key,
    ]
}
