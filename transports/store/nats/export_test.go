package nats

// Serve starts a server on a directory and a port that may have been another one's before.
func Serve(dir string, port int) (url string, closeIt func(), err error) {
	s, err := serve(dir, port)
	if err != nil {
		return "", nil, err
	}
	return s.ClientURL(), func() { s.Shutdown(); s.WaitForShutdown() }, nil
}
