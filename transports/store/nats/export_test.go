package nats

// Serve starts a server on a directory and a port, which a previous server may have used.
func Serve(dir string, port int) (url string, closeIt func(), err error) {
	s, err := serve(withStreams(dir, port))
	if err != nil {
		return "", nil, err
	}
	return s.ClientURL(), func() { s.Shutdown(); s.WaitForShutdown() }, nil
}

// Config is the configuration of a new stream.
var Config = config
