-- Single scores of new instances, over TYPES use case types one after the other. PREFIX comes before "Type1/id/kpis/Speed".
local common = require("common")
local types, prefix = tonumber(os.getenv("TYPES") or "1"), os.getenv("PREFIX")
local infix = os.getenv("INFIX") or "/kpis/"
local n = 0

function request()
  n = n + 1
  local path = prefix .. "Bench" .. (n % types) .. "/" .. common.id() .. infix .. "Speed"
  return wrk.format("PUT", path, common.headers, string.format('{"score": %.2f}', math.random() * 25))
end

function done(summary, latency)
  common.report(summary, latency)
end
