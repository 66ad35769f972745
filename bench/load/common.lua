-- What the load scripts share. Settings come from the environment: KEY, SEED, TYPES, ITEMS.
local common = {}

local digits = "0123456789abcdef"

common.seed = tonumber(os.getenv("SEED") or "1")
math.randomseed(common.seed)

-- Ids in no order, unique: random digits, then the run's number and a counter.
local made = 0
function common.id()
  made = made + 1
  local text = {}
  for place = 1, 16 do
    local at = math.random(16)
    text[place] = digits:sub(at, at)
  end
  return table.concat(text) .. string.format("-%x-%x", common.seed, made)
end

common.headers = {
  ["authorization"] = "Bearer " .. (os.getenv("KEY") or ""),
  ["xProxy-api-key"] = os.getenv("KEY") or "",
  ["content-type"] = "application/json",
}

-- One line of JSON with what the run found, for bench/load.mjs.
function common.report(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "failed": %d, "p50": %.3f, "p95": %.3f, "p99": %.3f}\n',
    summary.requests, summary.duration / 1e6,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000))
end

return common
