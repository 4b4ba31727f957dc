package report

func (s *Set) mapFigure() (figure, bool) { return figure{}, false }
