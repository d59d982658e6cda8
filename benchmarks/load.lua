-- For wrk: what usher.js sends, with the cookies of several people in turn; tells the end as JSON.
-- Arguments: a file with a cookie in each line, the origin, and the mean pause of a connection
-- before each request, in milliseconds. Pauses are exponential, so that those of many connections
-- are the page views of people who know nothing of each other.
local requests, turn = {}, 0

function init(arguments)
  local host = arguments[2]:match("//(.*)")
  local pause = tonumber(arguments[3])
  if pause > 0 then
    function delay()
      return math.floor(0.5 - pause * math.log(1 - math.random()))
    end
  end
  for line in io.lines(arguments[1]) do
    local headers = {
      ["Accept"] = "*/*",
      ["Content-Type"] = "application/json",
      ["Cookie"] = line,
      ["Host"] = host,
      ["Origin"] = arguments[2],
      ["Sec-Fetch-Mode"] = "cors",
      ["Sec-Fetch-Site"] = "same-origin",
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
      ["X-Usher-Client"] = "usher.js/1",
    }
    requests[#requests + 1] = wrk.format("POST", "/usher/token", headers, "{}")
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "errors": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
