/* virgl-version.h - for programs that ask for the version alone; it is kept in one place, with the interface it names. */
#include "virgl_renderer_drm.h"
