-- The same request again and again; with DAYS, each from another quarter of an hour of a day that many days ago: more different ones
-- than the service keeps answers to.
local common = require("common")
local path = os.getenv("URL_PATH")
local days = tonumber(os.getenv("DAYS"))
local prepared
local n = 0

function request()
  if days then
    n = n + 1
    local from = os.time() - days * 86400 + (n % 96) * 900
    return wrk.format("GET", path .. os.date("!&from=%Y-%m-%dT%H:%M:%SZ", from), common.headers)
  end
  prepared = prepared or wrk.format("GET", path, common.headers)
  return prepared
end

function done(summary, latency)
  common.report(summary, latency)
end
