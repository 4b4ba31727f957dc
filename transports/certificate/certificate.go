// Package certificate makes a certificate for a server that has none: one that signs itself, so whoever trusts it trusts
// this server alone. Its key is in memory, and nowhere else unless the caller writes it down.
package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// lifetime is how long a certificate is valid, from an hour before it is made, as clocks differ.
const lifetime = 365 * 24 * time.Hour

// A Made certificate.
type Made struct {
	PEM    []byte // of the certificate, which is its own authority
	KeyPEM []byte
	TLS    tls.Certificate
}

// Make makes a certificate for localhost, the addresses of loopback, and further hosts, names or addresses. An address
// that stands for all of this machine, like 0.0.0.0, adds its name and its addresses.
func Make(hosts ...string) (*Made, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	begin := time.Now().Add(-time.Hour)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "pushpull"},
		NotBefore: begin, NotAfter: begin.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, host := range hosts {
		ip := net.ParseIP(host)
		switch {
		case ip == nil && host != "":
			template.DNSNames = append(template.DNSNames, host)
		case ip.IsUnspecified():
			addOwn(template)
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	made := &Made{
		PEM:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		KeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
	made.TLS, err = tls.X509KeyPair(made.PEM, made.KeyPEM)
	return made, err
}

// addOwn adds the name and the addresses of this machine, as far as it knows them.
func addOwn(template *x509.Certificate) {
	if name, err := os.Hostname(); err == nil {
		template.DNSNames = append(template.DNSNames, name)
	}
	addresses, _ := net.InterfaceAddrs() // without them the certificate is for loopback alone
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && !network.IP.IsLoopback() {
			template.IPAddresses = append(template.IPAddresses, network.IP)
		}
	}
}

// Pool returns the certificates that trust this one alone.
func (m *Made) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(m.TLS.Leaf)
	return pool
}
