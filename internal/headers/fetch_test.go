package headers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Where recent headers come from: Debian's next release. libdrm's copy of
// drm/msm_drm.h is years old and has other sizes, so other ioctl numbers.
const suite = "forky"

var packages = []string{"libvirglrenderer-dev", "^linux-headers-[0-9].*-common$"}

var fetch = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	args := append([]string{suite, "build/headers-" + suite}, packages...)
	cmd := exec.CommandContext(ctx, "build/fetch.sh", args...)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	os.Stderr.Write(out)
	return err
})

// notPossible is fetch.sh's exit code for "no network, no Debian".
const notPossible = 3

// upstream returns the directory of the fetched headers. Without a network the
// test is skipped, and says so; CI has a network, so there it fails.
func upstream(t *testing.T) string {
	t.Helper()
	err := fetch()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return filepath.Join(root(t), "build", "headers-"+suite)
	case os.Getenv("CI") == "true" || !errors.As(err, &exit) || exit.ExitCode() != notPossible:
		t.Fatalf("cannot get the headers to compare with (build/fetch.sh: %v)", err)
	}
	fmt.Fprintf(os.Stderr, `
**********************************************************************
  %s DID NOT RUN: the headers of Debian %s cannot be fetched.
  Only testdata/layouts.json was compared. Connect to a network.
**********************************************************************
`, t.Name(), suite)
	t.Skipf("the headers of Debian %s cannot be fetched: connect to a network (with CI=true this fails)", suite)
	return ""
}

// kernelDir is include/uapi of the fetched kernel headers.
func kernelDir(t *testing.T) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(upstream(t), "usr/src/linux-headers-*-common/include/uapi"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("the linux-headers package of %s holds no include/uapi", suite)
	}
	return dirs[len(dirs)-1] // several: any is recent
}
