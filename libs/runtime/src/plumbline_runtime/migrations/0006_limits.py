"""Budgets that share, slow down and keep a daily reserve; tokens of OAuth apps."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS = """
    alter table connection.budgets
        add column allowed double precision not null default 1,
        add column strikes int not null default 0,
        add column throttled_at timestamptz not null default '-infinity',
        add column virtual_time double precision not null default 0,
        add column tags double precision[] not null default '{0,0,0}',
        add column waiting timestamptz[] not null
            default '{-infinity,-infinity,-infinity,-infinity}',
        add column zone text,
        add column day date,
        add column used_today bigint not null default 0,
        add column quota bigint,
        add column remaining bigint,
        add column stopped_until timestamptz not null default '-infinity',
        add column probed_at timestamptz not null default '-infinity'
"""

# Moves a row to now: refills the bucket, recovers the allowed rate, begins a new day. The row is
# locked until the transaction ends; it is made when there is none.
_REFRESHED = """
    create function connection.budget_now(
        p_workspace text, p_connection text, p_rate float8, p_burst float8, p_recovery float8,
        p_zone text
    ) returns connection.budgets language plpgsql as $$
    declare
        b connection.budgets;
        at timestamptz;
        idle float8;
    begin
        select * into b from connection.budgets
        where workspace = p_workspace and connection = p_connection for update;
        if not found then
            insert into connection.budgets (workspace, connection, tokens)
            values (p_workspace, p_connection, p_burst)
            on conflict (workspace, connection) do nothing;
            select * into b from connection.budgets
            where workspace = p_workspace and connection = p_connection for update;
        end if;
        at := greatest(clock_timestamp(), b.updated_at);
        -- time in which nobody may call earns nothing
        idle := greatest(0, extract(epoch from at - greatest(b.updated_at, b.blocked_until)));
        b.allowed := least(1, b.allowed + p_recovery * idle);
        b.tokens := least(p_burst, b.tokens + p_rate * b.allowed * idle);
        if b.day is distinct from (at at time zone coalesce(b.zone, p_zone))::date then
            b.day := (at at time zone coalesce(b.zone, p_zone))::date;
            b.used_today := 0;
            b.remaining := null;
        end if;
        b.updated_at := at;
        return b;
    end $$
"""

_STORED = """
    create function connection.budget_store(b connection.budgets) returns void
    language sql as $$
        update connection.budgets set
            tokens = b.tokens, throttled = b.throttled, blocked_until = b.blocked_until,
            updated_at = b.updated_at, allowed = b.allowed, strikes = b.strikes,
            throttled_at = b.throttled_at, virtual_time = b.virtual_time, tags = b.tags,
            waiting = b.waiting, zone = b.zone, day = b.day, used_today = b.used_today,
            quota = b.quota, remaining = b.remaining, stopped_until = b.stopped_until,
            probed_at = b.probed_at
        where workspace = b.workspace and connection = b.connection
    $$
"""

# Until when the daily quota stops this call; -infinity when it does not.
_STOPPED = """
    create function connection.budget_stopped(
        b connection.budgets, p_cost float8, p_priority bool, p_daily_limit bigint,
        p_reserve float8, p_zone text
    ) returns timestamptz language plpgsql immutable as $$
    declare
        midnight timestamptz := (b.day + 1)::timestamp at time zone coalesce(b.zone, p_zone);
        kept float8 := case when p_priority then 0 else p_reserve end;
    begin
        if b.used_today + p_cost > p_daily_limit - ceil(p_daily_limit * kept) then
            return midnight;
        end if;
        if p_priority then
            return '-infinity';  -- whether the vendor has some left for it, the vendor knows
        end if;
        if b.stopped_until <= b.updated_at
           and coalesce(b.remaining - p_cost >= ceil(coalesce(b.quota, 0) * kept), true) then
            return '-infinity';
        end if;
        -- A day that ends by a zone we only guess: one call an hour finds out.
        if b.zone is null and b.probed_at + interval '1 hour' <= b.updated_at then
            return '-infinity';
        end if;
        return greatest(b.stopped_until, midnight);
    end $$
"""

# Start-time fair queueing over the bucket: of the purposes that wait, the one that had least for
# its share goes first, and another may only take what that one leaves. Lanes 1 to 3 are the
# purposes, 4 is what goes before all of them.
_TAKE = """
    create function connection.budget_take(
        p_workspace text, p_connection text, p_rate float8, p_burst float8, p_recovery float8,
        p_zone text, p_lane int, p_shares float8[], p_cost float8, p_priority bool,
        p_daily_limit bigint, p_reserve float8, p_quota bigint, p_remaining bigint,
        out wait float8, out tokens float8, out allowed float8
    ) language plpgsql as $$
    declare
        b connection.budgets;
        stop timestamptz;
        stopped bool;
        tag float8;
        theirs float8;
        first float8;
        ahead float8 := 0;
        own int := case when p_priority then 4 else p_lane end;
    begin
        b := connection.budget_now(
            p_workspace, p_connection, p_rate, p_burst, p_recovery, p_zone);
        if p_remaining is not null then
            b.quota := p_quota;
            b.remaining := p_remaining;
        end if;
        stop := connection.budget_stopped(
            b, p_cost, p_priority, p_daily_limit, p_reserve, p_zone);
        stopped := stop > b.updated_at;
        tag := greatest(b.tags[p_lane], b.virtual_time);
        first := tag;
        for lane in 1..3 loop
            continue when lane = p_lane or b.waiting[lane] <= b.updated_at;
            theirs := greatest(b.tags[lane], b.virtual_time);
            first := least(first, theirs);
            if theirs < tag or (theirs = tag and lane < p_lane) then
                ahead := ahead + greatest(1, (tag - theirs) * p_shares[lane]);
            end if;
        end loop;
        if p_priority then
            ahead := 0;
        elsif b.waiting[4] > b.updated_at then
            ahead := ahead + 1;
        end if;
        if b.blocked_until > b.updated_at or stopped then
            wait := extract(epoch from greatest(b.blocked_until, stop) - b.updated_at);
        elsif b.tokens >= p_cost + ahead then
            wait := 0;
            b.tokens := b.tokens - p_cost;
            b.virtual_time := first;
            b.tags[p_lane] := tag + p_cost / p_shares[p_lane];
            b.used_today := b.used_today + p_cost;
            b.remaining := b.remaining - least(b.remaining, p_cost::bigint);  -- null stays null
            if b.stopped_until > b.updated_at or b.remaining = 0 then
                b.probed_at := b.updated_at;
            end if;
            -- whoever takes one call after the other is not overtaken between two
            b.waiting[own] := b.updated_at
                + make_interval(secs => case when p_priority then 0
                                        else least(0.02, p_burst / p_rate / 4) end);
        else
            wait := greatest(0.002, (p_cost + ahead - b.tokens) / (p_rate * b.allowed));
            if ahead > 0 then
                wait := least(wait, 0.25);  -- whoever is ahead may not come
            end if;
            b.waiting[own] := b.updated_at + make_interval(secs => least(wait, 1) + 0.25);
        end if;
        tokens := b.tokens;
        allowed := b.allowed;
        perform connection.budget_store(b);
    end $$
"""

# A 429. What was in the air together is refused together: that counts once.
_THROTTLE = """
    create function connection.budget_throttle(
        p_workspace text, p_connection text, p_rate float8, p_burst float8, p_recovery float8,
        p_zone text, p_retry_after float8, p_daily bool, p_floor float8,
        out allowed float8
    ) language plpgsql as $$
    declare
        b connection.budgets;
        another bool;
    begin
        b := connection.budget_now(
            p_workspace, p_connection, p_rate, p_burst, p_recovery, p_zone);
        another := b.updated_at >= greatest(b.blocked_until, b.throttled_at + interval '1 second');
        if another then
            b.strikes := case when b.updated_at < b.blocked_until + interval '10 seconds'
                              then least(b.strikes + 1, 16) else 0 end;
            b.throttled_at := b.updated_at;
            if not p_daily then
                b.allowed := greatest(p_floor, b.allowed / 2);
            end if;
        end if;
        if p_daily then
            b.stopped_until := (b.day + 1)::timestamp at time zone coalesce(b.zone, p_zone);
            b.remaining := 0;
            b.probed_at := b.updated_at;
        end if;
        if another or p_retry_after is not null then
            b.blocked_until := greatest(b.blocked_until, b.updated_at + make_interval(secs =>
                coalesce(p_retry_after,
                         least(2 ^ b.strikes, case when p_daily then 60 else 10 end))));
        end if;
        b.tokens := 0;
        b.throttled := b.throttled + 1;
        allowed := b.allowed;
        perform connection.budget_store(b);
    end $$
"""

_TOKENS = """
    create table connection.tokens (
        workspace text not null,
        connection text not null,
        sealed bytea,
        given_hash bytea,
        renew_at timestamptz,
        expires_at timestamptz,
        refreshed bigint not null default 0,
        updated_at timestamptz not null default clock_timestamp(),
        primary key (workspace, connection)
    )
"""


def upgrade() -> None:
    """Extend the budgets, and create what moves them and the table of tokens."""
    for statement in (_COLUMNS, _REFRESHED, _STORED, _STOPPED, _TAKE, _THROTTLE, _TOKENS):
        op.execute(statement)


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.execute("drop table connection.tokens")
    for name in ("throttle", "take", "stopped", "store", "now"):
        op.execute(f"drop function connection.budget_{name}")
    for column in (
        "allowed", "strikes", "throttled_at", "virtual_time", "tags", "waiting", "zone", "day",
        "used_today", "quota", "remaining", "stopped_until", "probed_at",
    ):  # fmt: skip
        op.execute(f"alter table connection.budgets drop column {column}")
