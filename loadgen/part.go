package loadgen

import "slices"

// Part returns part i of n of the plan, 0 <= i < n. A part is a plan of whole rooms, in which users,
// rooms and sends are numbered from 0. Each room is in exactly one part. shares are the rooms of each part, which together
// are those of the plan; nil: the parts differ by at most one room.
//
// With more parts than rooms, each part has some members of each room instead, every nth one, so that
// those who send are spread over the parts, too; a room that has fewer members than there are parts leaves some without
// users. Such parts have no shares: they are as equal as can be.
//
// A window measures a plan or a part of one, and result.Join joins the windows of all parts.
func (p *Plan) Part(i, n int, shares []int) *Plan {
	rooms := len(p.inRoom)
	if n > rooms {
		part := *p
		part.first, part.step = i, n
		return &part
	}
	firstRoom, lastRoom := roomsOfPart(rooms, i, n, shares)
	first, last := firstRoom*p.RoomSize, lastRoom*p.RoomSize
	part := &Plan{
		Users: last - first, RoomSize: p.RoomSize, Talkers: p.Talkers, Warmup: p.Warmup, End: p.End,
		Phases: slices.Clone(p.Phases[first:last]),
		byUser: make([][]int32, last-first),
		inRoom: slices.Clone(p.inRoom[firstRoom:lastRoom]),
	}
	for _, s := range p.Sends {
		user := int(s.User) - first
		if user < 0 || user >= part.Users {
			continue
		}
		s.User = int32(user)
		part.byUser[user] = append(part.byUser[user], int32(len(part.Sends)))
		part.Sends = append(part.Sends, s)
	}
	return part
}

// roomsOfPart returns the first room of part i of n, and the one after its last one, of so many rooms. shares is as in
// Part.
func roomsOfPart(rooms, i, n int, shares []int) (first, last int) {
	if shares == nil {
		return i * rooms / n, (i + 1) * rooms / n
	}
	for _, before := range shares[:i] {
		first += before
	}
	return first, first + shares[i]
}

// sizeOfPart returns how many users part i of n has, of so many rooms of a size. shares is as in Part.
func sizeOfPart(rooms, roomSize, i, n int, shares []int) int {
	if n > rooms {
		part := Plan{RoomSize: roomSize, first: i, step: n}
		return rooms * part.membersHere()
	}
	first, last := roomsOfPart(rooms, i, n, shares)
	return (last - first) * roomSize
}
