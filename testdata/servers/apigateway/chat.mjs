// The handler of a chat on a WebSocket API of API Gateway, whose connections it writes to by their callback URLs.
//
//   connect with ?room=ROOM               joins the room
//   {"action": "send", "body", "id"}      -> {"stored": id} once every member has been written to
//   {"body"}                              to all members of the room, the sender too
//
// On AWS the members would be kept in a table. Here one process handles every event, so a map does.
import { Agent, request } from "node:http";

const rooms = new Map(); // name of a room -> ids of its members
const roomOf = new Map(); // id of a member -> name of its room
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

// post writes text to a connection. It returns false if the connection has gone.
const post = (id, text) =>
  new Promise((resolve, reject) => {
    const r = request(
      { agent, method: "POST", host: "127.0.0.1", port: process.env.WEBSOCKET_PORT, path: `/@connections/${id}` },
      (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.statusCode < 300));
      },
    );
    r.on("error", reject);
    r.end(text);
  });

const leave = (id) => {
  const members = rooms.get(roomOf.get(id));
  members?.delete(id);
  if (members?.size === 0) rooms.delete(roomOf.get(id));
  roomOf.delete(id);
};

export const handler = async (event) => {
  const { connectionId: id, routeKey } = event.requestContext;
  switch (routeKey) {
    case "$connect": {
      const room = event.queryStringParameters?.room;
      if (!room) return { statusCode: 400 };
      if (!rooms.has(room)) rooms.set(room, new Set());
      rooms.get(room).add(id);
      roomOf.set(id, room);
      break;
    }
    case "$disconnect":
      leave(id);
      break;
    case "send": {
      const said = JSON.parse(event.body);
      const message = JSON.stringify({ body: said.body });
      const members = [...(rooms.get(roomOf.get(id)) ?? [])];
      const there = await Promise.all(members.map((member) => post(member, message)));
      members.forEach((member, i) => there[i] || leave(member));
      await post(id, JSON.stringify({ stored: said.id }));
    }
  }
  return { statusCode: 200 };
};
