// libsodium. Its sizes are macros with casts, which Swift does not import: call the functions
// (crypto_box_sealbytes() and its like) instead.
#include <sodium.h>
