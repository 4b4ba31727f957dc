package transports

import "context"

// The parts of Stream.Serve, for tests of each.

func (s *Stream) Start(ctx context.Context, seq uint64, ended func(error)) {
	s.prepare(ctx, seq, ended)
	s.start()
}

func (s *Stream) WriteLast(data []byte) error {
	_, err := s.write(data, true)
	return err
}

func (s *Stream) Close() { s.close() }
