-- wrk: each request is from the next address of the file that CLIENTS names, in X-Forwarded-For.
local addresses = {}
for line in io.lines(os.getenv("CLIENTS")) do
  addresses[#addresses + 1] = line
end
local requests = {}
local at = 0

init = function()
  for i, address in ipairs(addresses) do
    requests[i] = wrk.format("GET", nil, { ["X-Forwarded-For"] = address })
  end
end

request = function()
  at = at % #requests + 1
  return requests[at]
end
