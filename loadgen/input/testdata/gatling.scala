package chat

import io.gatling.core.Predef._
