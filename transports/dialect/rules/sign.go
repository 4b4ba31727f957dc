package rules

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// A signature is how requests to a service of AWS are signed: by its version 4, with the keys that its own programs
// find in the environment.
type signature struct {
	service, region string
	keys            aws.Credentials
}

// signature compiles the sign of a request.
func (c *scope) signature(text *signText) (*signature, error) {
	if !text.given.given() {
		return nil, nil
	}
	s := &signature{}
	for _, of := range []struct {
		name string
		text scalar
		into *string
	}{{"service", text.service, &s.service}, {"region", text.region, &s.region}} {
		made, err := c.template(of.text, inHeader)
		if err != nil {
			return nil, err
		}
		if len(made.constant) == 0 {
			return nil, mistake(text.given, "sign needs a %s that is the same for all users: write sign: {service: execute-api, region: us-east-1}", of.name)
		}
		*of.into = string(made.constant)
	}
	for _, of := range []struct {
		name string
		into *string
		must bool
	}{
		{"AWS_ACCESS_KEY_ID", &s.keys.AccessKeyID, true},
		{"AWS_SECRET_ACCESS_KEY", &s.keys.SecretAccessKey, true},
		{"AWS_SESSION_TOKEN", &s.keys.SessionToken, false},
	} {
		if *of.into = os.Getenv(of.name); *of.into == "" && of.must && c.way.missing == "" {
			c.way.missing = of.name
		}
	}
	return s, nil
}

// signs returns what signs a request with a method and a body.
func (s *signature) signs(method string, body []byte) func(*url.URL, http.Header) (http.Header, error) {
	sum := sha256.Sum256(body)
	return func(u *url.URL, h http.Header) (http.Header, error) {
		signed := &http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{}}
		maps.Copy(signed.Header, h)
		err := v4.NewSigner().SignHTTP(context.Background(), s.keys, signed, hex.EncodeToString(sum[:]), s.service, s.region, time.Now())
		if err != nil {
			return nil, fmt.Errorf("signing a request: %w", err)
		}
		return signed.Header, nil
	}
}
