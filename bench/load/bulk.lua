-- ITEMS scores a request, each of a new instance with a random id.
local common = require("common")
local items, path = tonumber(os.getenv("ITEMS")), os.getenv("URL_PATH")

function request()
  local scores = {}
  for place = 1, items do
    scores[place] = string.format('{"use_case_id":"%s","kpi_name":"Speed","score":%.2f}', common.id(), math.random() * 25)
  end
  return wrk.format("POST", path, common.headers, '{"scores":[' .. table.concat(scores, ",") .. "]}")
end

function done(summary, latency)
  common.report(summary, latency)
end
