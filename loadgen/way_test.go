package loadgen

import (
	"reflect"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

// TestWayOf changes each field of a transport's Way, and each must change what a result keeps of it.
func TestWayOf(t *testing.T) {
	fields := reflect.TypeFor[transports.Way]()
	for i := range reflect.TypeFor[transports.Lacks]().NumField() {
		var w transports.Way
		reflect.ValueOf(&w.Lacks).Elem().Field(i).SetBool(true)
		if kept := WayOf(w); !reflect.ValueOf(kept.Lacks).Field(i).Bool() {
			t.Errorf("a result keeps %+v of %+v", kept.Lacks, w.Lacks)
		}
	}
	const more = 1 // HTTP2 is what a side asks for
	if kept := reflect.TypeFor[result.Way](); kept.NumField() != fields.NumField()+more {
		t.Errorf("a result keeps %d fields of the %d of a Way", kept.NumField()-more, fields.NumField())
	}
	for i := range fields.NumField() {
		var w transports.Way
		switch v := reflect.ValueOf(&w).Elem().Field(i); v.Interface().(type) {
		case string:
			v.SetString("x")
		case time.Duration:
			v.SetInt(int64(time.Second))
		case bool:
			v.SetBool(true)
		case int:
			v.SetInt(1)
		case transports.Lacks:
			w.Lacks.Order = true
		default:
			t.Fatalf("a test must learn to change a %v", v.Type())
		}
		if WayOf(w) == (result.Way{}) {
			t.Errorf("a result does not keep %s", fields.Field(i).Name)
		}
	}
}
