/* virglrenderer.h - the name programs include; all there is to say stands in virgl_renderer_drm.h. */
#include "virgl-version.h"
#include "virgl_renderer_drm.h"
