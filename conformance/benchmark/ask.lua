wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"question": "Where are the maps of the harbour, and who may borrow them?", "limit": 3}'


function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "RESULT %d %.3f %.3f %d\n",
        summary.requests / (summary.duration / 1e6),
        latency:percentile(50) / 1000,
        latency:percentile(99) / 1000,
        errors.connect + errors.read + errors.write + errors.timeout + errors.status
    ))
end
