// Faye's own server, as its documentation starts it: every channel is open to all.
import { createServer } from "node:http";
import faye from "faye";

const http = createServer();
new faye.NodeAdapter({ mount: "/faye", timeout: 25 }).attach(http);

http.listen({ port: Number(process.env.PORT ?? 0), host: "127.0.0.1", backlog: 8192 }, () =>
  console.log(`listening on http://127.0.0.1:${http.address().port}`));
