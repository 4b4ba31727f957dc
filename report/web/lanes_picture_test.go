//go:build !race

package web_test

import (
	"bytes"
	"flag"
	"image/png"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "draw lanes.png anew, the picture in the README; nothing else should be running")

// TestPicture holds that lanes.png is a picture of the page in a window of 1280 px. With -update it draws it.
func TestPicture(t *testing.T) {
	const file, width, scale = "lanes.png", 1280, 1.5
	if *update {
		p := openLanes(t, startSite(t, allLanes...))
		p.Move()
		p.Do(chromedp.EmulateViewport(width, 900, chromedp.EmulateScale(scale)), chromedp.SendKeys("#talk", " "))
		p.until("they have talked for a while", func(l laneState) bool { return len(l.John) >= 10 })
		p.Until(`document.getElementById("overhead").textContent !== ""`)
		p.Do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
		// Something is on its way, and something waits.
		p.Until(`document.querySelectorAll(".marks .mark.message").length > 3 && document.querySelector('[data-way="timer"] .waiting').dataset.n !== "0"`)
		if err := os.WriteFile(file, p.Picture(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil || picture.Width != width*scale {
		t.Errorf("%s is %d px wide, want %v: %v", file, picture.Width, width*scale, err)
	}
}
