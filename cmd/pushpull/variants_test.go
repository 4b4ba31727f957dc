package main

import (
	"slices"
	"testing"

	"pushpull/loadgen/network"
)

func TestVariants(t *testing.T) {
	far := network.Profile{RTTS: .1}
	memory := []string{"memory:"}
	for name, tc := range map[string]struct {
		o        runOptions
		networks []network.Profile
		want     []variant
	}{
		"one":  {runOptions{stores: memory}, nil, []variant{{}}},
		"only": {runOptions{stores: memory, access: accessOptions{tls: tlsOnly}}, nil, []variant{{tls: true}}},
		"both": {runOptions{stores: memory, access: accessOptions{tls: tlsBoth}}, nil, []variant{{name: "plain"}, {name: "tls", tls: true}}},
		"stores with and without": {
			runOptions{stores: []string{"memory:", "sqlite:a.db"}, access: accessOptions{tls: tlsBoth}},
			nil,
			[]variant{{name: "memory-plain"}, {name: "memory-tls", tls: true}, {name: "sqlite-plain", store: 1}, {name: "sqlite-tls", store: 1, tls: true}},
		},
		"proxies":   {runOptions{stores: memory, access: accessOptions{via: []string{"none", "nginx"}}}, nil, []variant{{name: "direct"}, {name: "nginx", via: "nginx"}}},
		"one proxy": {runOptions{stores: memory, access: accessOptions{via: []string{"nginx"}}}, nil, []variant{{via: "nginx"}}},
		"proxies with TLS alone": {
			runOptions{stores: memory, access: accessOptions{via: []string{"nginx", "haproxy"}, tls: tlsOnly}},
			nil,
			[]variant{{name: "nginx", via: "nginx", tls: true}, {name: "haproxy", via: "haproxy", tls: true}},
		},
		"a network": {runOptions{stores: memory}, []network.Profile{far}, []variant{{network: far}}},
		"networks and versions": {
			runOptions{stores: memory, access: accessOptions{http: []string{http1, http2}}},
			[]network.Profile{{}, far},
			[]variant{
				{name: "none-http-1.1"},
				{name: "none-http-2", http: http2},
				{name: "rtt100ms-http-1.1", network: far},
				{name: "rtt100ms-http-2", network: far, http: http2},
			},
		},
	} {
		if got := variantsOf(tc.o.choices(tc.networks)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
