-- wrk: each request is from the next address of the file that CLIENTS names, in X-Forwarded-For. If the path
-- ends in .rpm, each address asks for a file of its own.
local addresses = {}
for line in io.lines(os.getenv("CLIENTS")) do
  addresses[#addresses + 1] = line
end
local requests = {}
local at = 0

init = function()
  for i, address in ipairs(addresses) do
    local path = wrk.path:gsub("%.rpm$", "-" .. i .. ".rpm")
    requests[i] = wrk.format("GET", path, { ["X-Forwarded-For"] = address })
  end
end

request = function()
  at = at % #requests + 1
  return requests[at]
end
