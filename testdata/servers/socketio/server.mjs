// A chat server on Socket.IO, as its documentation writes one: rooms, and an acknowledgement for each message.
//
//   client: emit("join", room, ack)        -> ack("joined")
//   client: emit("msg", room, body, ack)   -> ack("ok") once every member has been written to
//   server: emit("msg", body)              to all members of the room, the sender too
//
// With --recovery, clients that were away for less than two minutes get what they have missed. For that they must know
// the offset of an event, so a client that joins gets the event joined(room).
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const recovery = process.argv.includes("--recovery");
const io = new Server(http, {
  serveClient: false,
  connectionStateRecovery: recovery ? { maxDisconnectionDuration: 120_000 } : undefined,
});

io.on("connection", (socket) => {
  socket.on("join", (room, ack) => {
    socket.join(room);
    if (recovery) io.to(socket.id).emit("joined", room); // an event to one client by itself would have no offset
    ack?.("joined");
  });
  socket.on("msg", (room, body, ack) => {
    io.to(room).emit("msg", body);
    ack?.("ok");
  });
});

http.listen({ port: Number(process.env.PORT ?? 0), host: "127.0.0.1", backlog: 8192 }, () =>
  console.log(`listening on http://127.0.0.1:${http.address().port}`));
