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
    Fetch,
    Store,
    Tell,
    Hear,
}

pub const ALL: [(Script, &str); 12] = [
    (Script::Put, PUT),
    (Script::Delete, DELETE),
    (Script::Scan, SCAN),
    (Script::Sweep, SWEEP),
    (Script::Take, TAKE),
    (Script::Give, GIVE),
    (Script::Acquire, ACQUIRE),
    (Script::Release, RELEASE),
    (Script::Fetch, FETCH),
    (Script::Store, STORE),
    (Script::Tell, TELL),
    (Script::Hear, HEAR),
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
            Script::Fetch => "fetch",
            Script::Store => "store",
            Script::Tell => "tell",
            Script::Hear => "hear",
        }
    }

    /// Whether it asks for memory: an answer then says that there is some.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Script::Put | Script::Take | Script::Acquire | Script::Store | Script::Tell
        )
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

/// KEYS variants, cells. Each variant has a field `m` (number, when it came in milliseconds, its cells) and a field `r` (its
/// record). Answers number, milliseconds since it came, and record of those that nothing has outdated.
const FETCH: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local all, known, record, out = redis.call('HGETALL', KEYS[1]), {}, {}, {}
for i = 1, #all, 2 do
  local of = string.sub(all[i], 1, 1) == 'm' and known or record
  of[string.sub(all[i], 2)] = all[i + 1]
end
for variant, text in pairs(known) do
  local number, at, cells = string.match(text, '^(%d+) (%d+) ?(.*)$')
  local good = record[variant] and tonumber(at) <= now
  for cell in string.gmatch(cells, '%d+') do
    local changed = redis.call('HGET', KEYS[2], cell)
    if changed and tonumber(changed) > tonumber(number) then good = false end
  end
  if good then
    out[#out + 1] = number
    out[#out + 1] = string.format('%.0f', now - at)
    out[#out + 1] = record[variant]
  end
end
return out
";

/// KEYS variants, order; ARGV variant, number, cells, record, milliseconds to live, epoch, most variants.
const STORE: &str = r"
local e, n = unpack(redis.call('HMGET', KEYS[2], 'e', 'n'))
if e ~= ARGV[6] or tonumber(ARGV[2]) > tonumber(n) then return 0 end
local function number(text) return tonumber(string.match(text, '^%d+')) end
local old = redis.call('HGET', KEYS[1], 'm' .. ARGV[1])
if old and number(old) > tonumber(ARGV[2]) then return 0 end
if not old and redis.call('HLEN', KEYS[1]) >= 2 * ARGV[7] then
  local oldest, least
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 1) == 'm' then
      local at = tonumber(string.match(redis.call('HGET', KEYS[1], field), '^%d+ (%d+)'))
      if not least or at < least then oldest, least = string.sub(field, 2), at end
    end
  end
  if oldest then redis.call('HDEL', KEYS[1], 'm' .. oldest, 'r' .. oldest) end
end
local t = redis.call('TIME')
local at = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
redis.call('HSET', KEYS[1], 'm' .. ARGV[1], ARGV[2] .. ' ' .. at .. ' ' .. ARGV[3], 'r' .. ARGV[1], ARGV[4])
local left = math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[5]))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left))
return 1
";

/// KEYS order, changes, purges, cells; ARGV body, cell (none: a purge), most changes, most purges.
const TELL: &str = r"
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000000 + t[2])
if redis.call('HSETNX', KEYS[1], 'e', now) == 1 then redis.call('DEL', KEYS[2], KEYS[3], KEYS[4]) end
local n = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'n', 1))
local item = n .. ' ' .. now .. ' ' .. ARGV[1]
redis.call('RPUSH', KEYS[2], item)
redis.call('LTRIM', KEYS[2], -ARGV[3], -1)
if ARGV[2] == '' then
  redis.call('RPUSH', KEYS[3], item)
  redis.call('LTRIM', KEYS[3], -ARGV[4], -1)
else
  redis.call('HSET', KEYS[4], ARGV[2], n)
end
return 1
";

/// KEYS order, changes, purges, cells; ARGV epoch, number, tag, most changes. Answers epoch, whether something was missed,
/// number, the last change, and changes (or purges, when something was missed). Where the change that was heard last is another one now, data
/// was lost in between: then a new epoch begins.
const HEAR: &str = r"
local t = redis.call('TIME')
local e, n = unpack(redis.call('HMGET', KEYS[1], 'e', 'n'))
local after, tag = tonumber(ARGV[2]), ARGV[3]
n = tonumber(n or 0)
local is_same, lost = e == ARGV[1] and after <= n, e == ARGV[1] and after > n
if is_same and after > 0 then
  local seen = redis.call('LINDEX', KEYS[2], string.format('%.0f', after - n - 1))
  is_same = seen and string.sub(seen, 1, #tag + 1) == tag .. ' '
  lost = seen and not is_same
elseif is_same then
  is_same = n <= redis.call('LLEN', KEYS[2])
end
if not e or lost then
  e, n = string.format('%.0f', t[1] * 1000000 + t[2]), 0
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'e', e, 'n', 0)
  return {e, '1', '0', '', {}}
end
local number = string.format('%.0f', n)
if not is_same then
  return {e, '1', number, redis.call('LINDEX', KEYS[2], -1) or '', redis.call('LRANGE', KEYS[3], 0, -1)}
end
local news, from = {}, after - n
if from < 0 then
  local to = math.min(from + ARGV[4] - 1, -1)
  news = redis.call('LRANGE', KEYS[2], string.format('%.0f', from), string.format('%.0f', to))
end
return {e, '0', number, '', news}
";
