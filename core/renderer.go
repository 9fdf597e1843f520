package core

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"virgldrm/drm"
	"virgldrm/fence"
	"virgldrm/ids"
	"virgldrm/resources"
	"virgldrm/trace"
	"virgldrm/wire"
)

// Config is what the embedder chose at init.
type Config struct {
	Drivers []Driver // in order of preference
	Log     *trace.Logger
	Fences  fence.Callbacks

	// DRM asks for native contexts; without it every context is refused.
	DRM bool
	// OpenDRM returns a fresh descriptor of the render node to use, which the
	// renderer then owns, or -1: the renderer opens one itself. May be nil.
	OpenDRM func() int
	// RenderNode is the node to open in that case; "" picks the first that a
	// driver supports.
	RenderNode string
	// Delegate says what the library behind this one takes over.
	Delegate Delegate
	// CrashOnPanic lets a panic of a context take the process down instead of
	// only the context, so that tests cannot miss one.
	CrashOnPanic bool
}

// Renderer is one initialised instance of the library.
type Renderer struct {
	cfg    Config
	log    *trace.Logger
	limits [64]*trace.Logger // see limited
	gpu    *gpu              // nil without DRM
	fences *fence.Hub

	watched  atomic.Bool    // pending fences are looked after
	watchers sync.WaitGroup // who does
	closed   atomic.Bool

	mu        sync.Mutex
	mappings  mappings            // guarded by mu
	contexts  ids.Table[*context] // guarded by mu
	theirs    ids.Table[uint32]   // guarded by mu: flags of the delegate's contexts
	resources *resources.Table    // guarded by mu; the delegate's are in it as well
}

// New probes the GPU if asked to and returns a renderer without contexts.
// Errors unwrap to the errno init returns and say what to do.
func New(cfg Config) (*Renderer, error) {
	r := &Renderer{
		cfg:       cfg,
		log:       cfg.Log,
		resources: resources.NewTable(),
		mappings:  mappings{limit: mappingLimit()},
	}
	for i := range r.limits {
		r.limits[i] = cfg.Log.Limited()
	}
	if cfg.DRM {
		g, err := r.probe()
		if err != nil {
			return nil, err
		}
		r.gpu = g
	}
	hub, err := fence.NewHub(cfg.Fences)
	if err != nil {
		return nil, err
	}
	r.fences = hub
	return r, nil
}

// limited is the log for what a context's guest causes. A guest that makes and
// destroys contexts gets no more lines by it: there are only so many limits.
func (r *Renderer) limited(ctx uint32) *trace.Logger {
	return r.limits[ctx%uint32(len(r.limits))]
}

// Capset copies the capset to dst, wire.CapsetSize bytes. Without a GPU it is all
// zero: some embedders pass dst on to the guest whatever was in it.
func (r *Renderer) Capset(dst []byte) {
	if r.gpu != nil {
		copy(dst, r.gpu.caps.Bytes())
	} else {
		clear(dst)
	}
}

// Reset destroys all contexts, then all resources. Every outstanding fence is
// reported before it returns.
func (r *Renderer) Reset() {
	for {
		r.mu.Lock()
		var c *context
		for _, c = range r.contexts.All {
			break
		}
		r.mu.Unlock()
		if c == nil {
			break
		}
		r.DestroyContext(c.ID)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.theirs = ids.Table[uint32]{}
	r.mappings.used = 0
	r.resources.Clear()
}

// Close resets the renderer and stops its waiter; nothing may be called after.
func (r *Renderer) Close() {
	r.Reset()
	if r.closed.Swap(true) {
		return // by a callback of this Reset
	}
	r.fences.Wake()
	r.watchers.Wait()
	r.fences.Close()
}

// gpu is the device that was probed: contexts must be on one like it.
type gpu struct {
	driver *Driver
	path   string // of the node the renderer opened itself; "" if the embedder did
	caps   wire.Capset
}

// probe finds the GPU and fills the capset. The device it opens is closed.
func (r *Renderer) probe() (*gpu, error) {
	g := &gpu{}
	dev, err := r.openProbe(g)
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	g.driver = r.driverFor(dev.Version.Name)
	if g.driver == nil {
		return nil, fmt.Errorf("the GPU's driver %q has no native context here: %s: %w",
			dev.Version.Name, r.supported(), syscall.ENODEV)
	}
	g.caps.Head.VersionMajor = dev.Version.Major
	g.caps.Head.VersionMinor = dev.Version.Minor
	g.caps.Head.VersionPatch = dev.Version.Patch
	g.caps.Head.ContextType = g.driver.ContextType
	if err := g.driver.Probe(dev, &g.caps); err != nil {
		return nil, err
	}
	return g, nil
}

// openProbe opens the device to probe: the embedder's, the configured node, or
// the first that a driver supports.
func (r *Renderer) openProbe(g *gpu) (*drm.Device, error) {
	if fd := r.askEmbedder(); fd.Valid() {
		return drm.NewDevice(fd)
	}
	if g.path = r.cfg.RenderNode; g.path != "" {
		dev, err := drm.Open(g.path)
		if err != nil {
			return nil, coded(syscall.ENODEV, fmt.Errorf("%w: check VIRGLDRM_RENDER_NODE and the node's permissions", err))
		}
		return dev, nil
	}
	return r.search(g)
}

// search opens every render node and keeps the best driver's first, or that of
// g.driver if there is one.
func (r *Renderer) search(g *gpu) (*drm.Device, error) {
	var best *drm.Device
	var rank int
	var others, denied string
	for path := range drm.RenderNodes {
		dev, err := drm.Open(path)
		if errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err != nil {
			denied += "; " + err.Error()
			continue
		}
		n := r.rank(dev.Version.Name)
		if g.driver != nil && g.driver.Name != dev.Version.Name {
			n = -1
		}
		if n < 0 || best != nil && n >= rank {
			others += fmt.Sprintf("; %s is %s", path, dev.Version)
			dev.Close()
			continue
		}
		if best != nil {
			others += fmt.Sprintf("; %s is %s", g.path, best.Version)
			best.Close()
		}
		best, rank, g.path = dev, n, path
	}
	switch {
	case best != nil:
		r.limited(0).Infof("using %s, driver %s%s", g.path, best.Version, others+denied)
		return best, nil
	case denied != "":
		return nil, fmt.Errorf("no usable GPU: %s: give this process read and write access to the node, usually by the group \"render\": %w",
			(others + denied)[2:], syscall.ENODEV)
	case others != "":
		return nil, fmt.Errorf("no usable GPU: %s: %s: %w", others[2:], r.supported(), syscall.ENODEV)
	}
	return nil, fmt.Errorf("no render node in /dev/dri: load the GPU's kernel driver, or make the node visible to this process: %w", syscall.ENODEV)
}

func (r *Renderer) askEmbedder() drm.FD {
	if r.cfg.OpenDRM == nil {
		return drm.FD{}
	}
	return drm.NewFD(r.cfg.OpenDRM())
}

// rank is a driver's place in the order of preference, -1 for an unknown one.
func (r *Renderer) rank(name string) int {
	for i := range r.cfg.Drivers {
		if r.cfg.Drivers[i].Name == name {
			return i
		}
	}
	return -1
}

func (r *Renderer) driverFor(name string) *Driver {
	if i := r.rank(name); i >= 0 {
		return &r.cfg.Drivers[i]
	}
	return nil
}

func (r *Renderer) supported() string {
	s := "supported drivers:"
	for i := range r.cfg.Drivers {
		s += " " + r.cfg.Drivers[i].Name
	}
	return s
}

// open opens the device of one context: a fresh file of the probed driver.
func (r *Renderer) open() (*drm.Device, error) {
	fd := r.askEmbedder()
	var dev *drm.Device
	var err error
	switch {
	case fd.Valid():
		dev, err = drm.NewDevice(fd)
	case r.gpu.path != "":
		dev, err = drm.Open(r.gpu.path)
	default:
		dev, err = r.search(&gpu{driver: r.gpu.driver})
	}
	if err != nil {
		return nil, err
	}
	if dev.Version.Name != r.gpu.driver.Name {
		dev.Close()
		return nil, fmt.Errorf("the context's device is driven by %s, but %s was probed: %w",
			dev.Version.Name, r.gpu.driver.Name, syscall.ENODEV)
	}
	return dev, nil
}
