//! The scripts, by what they do. Numbers above 2^53 do not occur; those above 2^46 are written with `%.0f`, since Lua's own
//! text of a number has 14 digits. Clocks are the server's, but that of values, which is the caller's.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    Put,
    Delete,
    Scan,
    Sweep,
    Take,
    Give,
    Acquire,
    Release,
}

pub const ALL: [(Script, &str); 8] = [
    (Script::Put, PUT),
    (Script::Delete, DELETE),
    (Script::Scan, SCAN),
    (Script::Sweep, SWEEP),
    (Script::Take, TAKE),
    (Script::Give, GIVE),
    (Script::Acquire, ACQUIRE),
    (Script::Release, RELEASE),
];

impl Script {
    pub fn name(self) -> &'static str {
        match self {
            Script::Put => "put",
            Script::Delete => "delete",
            Script::Scan => "scan",
            Script::Sweep => "sweep",
            Script::Take => "take",
            Script::Give => "give",
            Script::Acquire => "acquire",
            Script::Release => "release",
        }
    }

    /// Whether it asks for memory: an answer then says that there is some.
    pub fn writes(self) -> bool {
        matches!(self, Script::Put | Script::Take | Script::Acquire)
    }
}

/// KEYS value, names, expiries, etags; ARGV key, value, precondition, etag, expiry, now, time to live.
const PUT: &str = r"
local e, x = unpack(redis.call('HMGET', KEYS[1], 'e', 'x'))
if e and x ~= '' and tonumber(x) <= tonumber(ARGV[6]) then e = false end
if (ARGV[3] == 'absent' and e) or (ARGV[3] == 'is' and e ~= ARGV[4]) then return {0, e or ''} end
local t = redis.call('TIME')
local etag = math.max(tonumber(redis.call('GET', KEYS[4]) or 0) + 1, t[1] * 1000000 + t[2])
etag = string.format('%.0f', etag)
redis.call('SET', KEYS[4], etag)
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'e', etag, 'x', ARGV[5])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
if ARGV[5] == '' then redis.call('ZREM', KEYS[3], ARGV[1]) else redis.call('ZADD', KEYS[3], ARGV[5], ARGV[1]) end
if ARGV[7] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[7]) end
return {1, etag}
";

/// KEYS value, names, expiries; ARGV key, precondition, etag, now.
const DELETE: &str = r"
local e, x = unpack(redis.call('HMGET', KEYS[1], 'e', 'x'))
if e and x ~= '' and tonumber(x) <= tonumber(ARGV[4]) then e = false end
if (ARGV[2] == 'absent' and e) or (ARGV[2] == 'is' and e ~= ARGV[3]) then return {0, e or ''} end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return {1, e and '1' or '0'}
";

/// KEYS names; ARGV from, to, now, what values' keys begin with, most names, most bytes. Answers how many names were looked
/// at, the last of them, and four fields of each value.
const SCAN: &str = r"
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[5])
local out, seen, size, last = {}, 0, 0, ''
for _, name in ipairs(names) do
  local f = redis.call('HMGET', ARGV[4] .. name, 'v', 'e', 'x')
  seen, last = seen + 1, name
  if f[2] and (f[3] == '' or tonumber(f[3]) > tonumber(ARGV[3])) then
    out[#out + 1] = name
    for i = 1, 3 do out[#out + 1] = f[i] end
    size = size + #f[1]
    if size > tonumber(ARGV[6]) then break end
  end
end
return {seen, last, out}
";

/// KEYS names, expiries; ARGV now, most, what values' keys begin with.
const SWEEP: &str = r"
local names = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, name in ipairs(names) do
  redis.call('DEL', ARGV[3] .. name)
  redis.call('ZREM', KEYS[1], name)
  redis.call('ZREM', KEYS[2], name)
end
return #names
";

/// The same decision as `counter::take`, and `counter::Sum`. KEYS TAT, group; ARGV nanoseconds between units, burst in
/// thousandths, want, least, seconds in which a group forgets.
const TAKE: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local spacing, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local want, least = math.min(tonumber(ARGV[3]), most), math.min(tonumber(ARGV[4]), most)
local function step(milli) return math.ceil(milli * spacing / 1000000) end
local tolerance = step(most)
local tat = tonumber(redis.call('GET', KEYS[1]) or 0)
tat = math.min(math.max(tat, now), now + tolerance)
local free_us = tolerance - (tat - now)
local free = math.min(math.floor(free_us * 1000000 / spacing), most)
local granted, retry = math.min(free, math.max(want, least)), 0
if granted < least then
  granted, retry = 0, math.max(step(least) - free_us, 1)
else
  tat = tat + step(granted)
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', string.format('%.0f', math.ceil((tat - now) / 1000) + 1))
end
local sum, at = string.match(redis.call('GET', KEYS[2]) or '0 0', '^(%S+) (%S+)$')
local tau = tonumber(ARGV[5]) * 1000000
sum = tonumber(sum) * math.exp(-math.max(now - at, 0) / tau) + granted
local kept = string.format('%.3f %.0f', sum, math.max(now, at))
redis.call('SET', KEYS[2], kept, 'PX', string.format('%.0f', tau / 100))
return {string.format('%.0f', granted), string.format('%.0f', retry), string.format('%.0f', free - granted), string.format('%.3f', sum)}
";

/// KEYS TAT; ARGV microseconds.
const GIVE: &str = r"
local tat = redis.call('GET', KEYS[1])
if tat then redis.call('SET', KEYS[1], string.format('%.0f', tat - ARGV[1]), 'KEEPTTL') end
return 0
";

/// KEYS lease, its last token; ARGV owner, milliseconds.
const ACQUIRE: &str = r"
local held = redis.call('GET', KEYS[1])
if held then
  local token, owner = string.match(held, '^(%d+) (.*)$')
  if owner ~= ARGV[1] then return {token, owner, redis.call('PTTL', KEYS[1])} end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {token, owner, ARGV[2]}
end
local t = redis.call('TIME')
local token = math.max(tonumber(redis.call('GET', KEYS[2]) or 0) + 1, t[1] * 1000000 + t[2])
token = string.format('%.0f', token)
redis.call('SET', KEYS[2], token)
redis.call('SET', KEYS[1], token .. ' ' .. ARGV[1], 'PX', ARGV[2])
return {token, ARGV[1], ARGV[2]}
";

/// KEYS lease; ARGV token and owner.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
";
