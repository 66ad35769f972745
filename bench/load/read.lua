-- The same request again and again.
local common = require("common")
local path = os.getenv("URL_PATH")
local prepared

function request()
  prepared = prepared or wrk.format("GET", path, common.headers)
  return prepared
end

function done(summary, latency)
  common.report(summary, latency)
end
