// libzstd, with the frame inspection that its header offers to static linking only:
// ZSTD_getFrameHeader is stable in practice and tells the declared sizes before anything is allocated.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
