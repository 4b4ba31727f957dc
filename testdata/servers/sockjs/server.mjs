// A chat server on SockJS, which itself knows neither rooms nor acknowledgements: messages are JSON.
//
//   client: {"join": room}              -> {"joined": true}
//   client: {"room", "body", "id"}      -> {"stored": id} once every member has been written to
//   server: {"body"}                    to all members of the room, the sender too
import { createServer } from "node:http";
import sockjs from "sockjs";

const rooms = new Map();
const chat = sockjs.createServer({
  prefix: "/sock",
  log: () => {},
  response_limit: Number.MAX_SAFE_INTEGER, // SockJS ends a stream after 128 KiB, as browsers keep all of it in memory
});

chat.on("connection", (conn) => {
  if (!conn) return;
  let room;
  conn.on("data", (text) => {
    const said = JSON.parse(text);
    if (said.join !== undefined) {
      room = said.join;
      if (!rooms.has(room)) rooms.set(room, new Set());
      rooms.get(room).add(conn);
      conn.write('{"joined":true}');
      return;
    }
    const message = JSON.stringify({ body: said.body });
    for (const member of rooms.get(said.room) ?? []) member.write(message);
    conn.write(JSON.stringify({ stored: said.id }));
  });
  conn.on("close", () => {
    rooms.get(room)?.delete(conn);
    if (rooms.get(room)?.size === 0) rooms.delete(room);
  });
});

const http = createServer();
chat.installHandlers(http);

http.listen({ port: Number(process.env.PORT ?? 0), host: "127.0.0.1", backlog: 8192 }, () =>
  console.log(`listening on http://127.0.0.1:${http.address().port}`));
