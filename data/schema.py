"""The tables, triggers and views of cropcheck.db, as migrations. A step that has been released is never edited.

Reading guide: `collection`, `legend_class`, `learned_class`, `site`, `sample`, `image` and `index_stat` describe what was imported and
never change afterwards; `event` is what curators said, appended only; `sample.decision` and `sample.flagged` are kept by
triggers so that the next open sample is one index seek; the views `current_decision`, `label`, `image_quality` and `progress` say, once,
what is in force.
"""

import sqlite3

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("cropcheck")

CATALOGUE = """
create table collection (
    name        text primary key,
    title       text not null,
    bands       text not null,              -- JSON list of band names, in the order of the pixels
    level       text not null,              -- L1C (top of atmosphere) or L2A (surface reflectance)
    slots       integer not null,           -- dates per season, T of the pixels
    slot_names  text not null,              -- JSON list of T ISO dates, or months as YYYY-MM for composites
    height      integer not null,           -- H of the pixels
    width       integer not null,           -- W of the pixels
    composites  integer not null check (composites in (0, 1)),
    simulated   integer not null check (simulated in (0, 1)),
    licence     text not null,
    attribution text not null
);

-- What the collection's models learn; several legend codes can be one class (maize 400 and 410). A code outside every class
-- stays in the collection and is left out of training.
create table learned_class (
    collection text not null references collection (name),
    name       text not null,
    name_fr    text not null,
    color      text not null,               -- #rrggbb
    position   integer not null,            -- order in tables, matrices and legends
    primary key (collection, name)
);

create table legend_class (
    collection text not null references collection (name),
    code       integer not null,
    name       text not null,
    name_fr    text not null,
    color      text not null,               -- #rrggbb, the inventory's official colour where it has one
    learned    text,                        -- learned_class.name, or null
    digit      integer check (digit between 0 and 9),   -- the key that relabels to this code
    primary key (collection, code),
    unique (collection, digit),
    foreign key (collection, learned) references learned_class (collection, name)
);

create table site (
    id         integer primary key,
    collection text not null references collection (name),
    name       text not null,
    lon        real not null check (lon between -180 and 180),      -- EPSG:4326
    lat        real not null check (lat between -90 and 90),
    region     text not null,
    polygon    text,                        -- GeoJSON geometry in EPSG:4326, or null
    unique (collection, name)
);

create table sample (
    id             integer primary key,
    collection     text not null references collection (name),
    site           integer not null references site (id),
    name           text not null,
    year           integer not null,
    inventory_code integer not null,        -- the map's code at the centre; never edited
    modal_code     integer not null,        -- the patch's most frequent code
    purity         real not null check (purity between 0 and 1),    -- share of the patch's coded pixels with inventory_code
    shard          text not null,           -- file stem in patches/<collection>/
    shard_row      integer not null,
    height         integer not null,        -- true size of this patch, at most the collection's
    width          integer not null,
    crs            text not null,
    transform      text not null,           -- JSON list a b c d e f: (column, row) -> crs
    shuffle        integer not null,        -- a fixed pseudo-random number: the order of the random queue
    decision       integer references event (id),       -- the event in force, kept by triggers
    flagged        integer not null default 0,          -- kept by triggers
    unique (collection, name),
    unique (site, year),
    unique (collection, shard, shard_row),
    foreign key (collection, inventory_code) references legend_class (collection, code)
);

create index site_region     on site (collection, region, id);
create index sample_order    on sample (collection, id);
create index sample_open     on sample (collection, decision, id);
create index sample_crop     on sample (collection, inventory_code, id);
create index sample_shuffle  on sample (collection, shuffle);

create table image (
    id           integer primary key,
    sample       integer not null references sample (id),
    slot         integer not null,          -- index on the T axis of the pixels
    acquired     text not null,             -- ISO date, or YYYY-MM of a composite
    day          integer not null,          -- day of year; the middle of the month for a composite
    clear        real not null check (clear between 0 and 1),       -- share of the sample's pixels that are clear
    interpolated integer not null default 0,
    quality      text not null check (quality in ('ok', 'cloud', 'bad')),   -- as screened at import
    unique (sample, slot)
);

create table index_stat (
    image    integer not null references image (id),
    name     text not null,                 -- NDVI, NDRE, ...
    mean     real, sd real, p10 real, median real, p90 real,        -- over the field's clear pixels; null where undefined
    primary key (image, name)
) without rowid;
"""

DECISIONS = """
create table event (
    id        integer primary key autoincrement,
    uid       text not null unique,         -- made by the client: a decision sent twice is stored once
    sample    integer not null references sample (id),
    image     integer references image (id),
    curator   text not null check (length(curator) > 0),
    action    text not null check (action in ('agree', 'relabel', 'reject', 'unsure', 'flag', 'quality', 'undo')),
    old       text,                         -- the code, quality or flag in force before
    new       text,                         -- the code, quality or flag that this event sets
    reason    text,                         -- of a rejection: mixed, not_cropland, no_signal or other
    note      text,
    queue     text,                         -- the queue it was served from, and why
    rank      integer,                      -- position in that queue
    run       text,                         -- the run whose prediction was on the card
    seen      text,                         -- uid of the decision that the curator saw on the card
    stands    integer not null check (stands in (0, 1)),            -- 0: a second opinion on a decision not seen
    ms        integer check (ms >= 0),      -- from card painted to key pressed
    at        text not null,                -- UTC, ISO-8601
    undo_of   integer unique references event (id),
    check ((action = 'undo') = (undo_of is not null)),
    check ((action = 'reject') = (reason is not null)),
    check ((action = 'quality') = (image is not null))
);

create index event_sample  on event (sample, id);
create index event_curator on event (curator, id);

create trigger event_is_never_updated before update on event
begin select raise(abort, 'events are append-only: append an undo or a new decision'); end;
create trigger event_is_never_deleted before delete on event
begin select raise(abort, 'events are append-only: append an undo or a new decision'); end;

create trigger event_undoes_on_its_own_sample before insert on event
when new.undo_of is not null and not exists (select 1 from event e where e.id = new.undo_of and e.sample = new.sample)
begin select raise(abort, 'an undo belongs to the sample of the event it takes back'); end;

create trigger event_applies after insert on event
begin
    update sample set
        decision = (
            select max(e.id) from event e
            where e.sample = new.sample and e.stands = 1 and e.action in ('agree', 'relabel', 'reject', 'unsure')
              and not exists (select 1 from event u where u.undo_of = e.id)),
        flagged = coalesce((
            select e.new = '1' from event e
            where e.sample = new.sample and e.action = 'flag' and not exists (select 1 from event u where u.undo_of = e.id)
            order by e.id desc limit 1), 0)
    where id = new.sample;
end;

create view current_decision as
select s.id as sample, s.collection, e.id as event, e.uid, e.curator, e.action, e.new as code, e.reason, e.note, e.at
from sample s join event e on e.id = s.decision;

-- The crop now in force. A rejected sample has none; an unsure one keeps the inventory's, unverified.
create view label as
select s.id as sample, s.collection, s.inventory_code,
    case d.action when 'relabel' then cast(d.new as integer) when 'reject' then null else s.inventory_code end as code,
    case d.action when 'agree' then 'agreed' when 'relabel' then 'relabelled' when 'reject' then 'rejected'
        when 'unsure' then 'unsure' else 'unverified' end as state,
    coalesce(d.action in ('agree', 'relabel'), 0) as verified,
    s.flagged, d.curator, d.reason, d.at
from sample s left join event d on d.id = s.decision;

create view image_quality as
select i.id as image, i.sample, i.slot, i.acquired, i.day, i.clear, i.interpolated,
    coalesce((
        select e.new from event e
        where e.sample = i.sample and e.image = i.id and not exists (select 1 from event u where u.undo_of = e.id)
        order by e.id desc limit 1), i.quality) as quality
from image i;

create view progress as
select collection, count(*) as samples, count(decision) as decided, sum(state = 'agreed') as agreed,
    sum(state = 'relabelled') as relabelled, sum(state = 'rejected') as rejected, sum(state = 'unsure') as unsure,
    sum(flagged) as flagged
from (select s.collection, s.decision, l.state, s.flagged from sample s join label l on l.sample = s.id)
group by collection;
"""

MODELS = """
create table split (
    id         integer primary key,
    collection text not null references collection (name),
    name       text not null,               -- e.g. random-60-20-20-seed0, block-10km-5fold-seed0
    method     text not null check (method in ('random', 'block')),
    folds      integer not null,            -- 0: train / validation / test parts; K: parts are fold-0 ... fold-(K-1)
    params     text not null,               -- JSON: shares, block side in metres, seed
    created    text not null,
    unique (collection, name)
);

create table split_member (
    split  integer not null references split (id),
    sample integer not null references sample (id),
    part   text not null,                   -- train, validation, test or fold-<k>
    primary key (split, sample)
) without rowid;

create table run (
    name         text primary key,          -- also the folder runs/<name>
    collection   text not null references collection (name),
    model        text not null,
    labels       text not null check (labels in ('inventory', 'verified', 'mixed')),
    split        integer not null references split (id),
    config       text not null,             -- JSON
    last_event   integer not null,          -- dataset version: the newest event it knew ...
    content_hash text not null,             -- ... and a hash of (sample, class, part) of what it learned from
    created      text not null
);

create table prediction (
    run           text not null references run (name),
    sample        integer not null references sample (id),
    part          text not null,            -- the sample's part in the run's split; 'outside' if it was not in it
    truth         text,                     -- learned_class.name by the label the run was judged against; null if none
    predicted     text not null,            -- learned_class.name
    probability   real not null,            -- of the predicted class
    probabilities text not null,            -- JSON list, in learned_class.position order of the run's classes
    primary key (run, sample)
) without rowid;

create index prediction_cell on prediction (run, truth, predicted, sample);
"""

INFLOW = """
-- 0: dates differ from sample to sample; slot i is then the i-th image of a sample in time order, and slot_names are 1 ... T
alter table collection add column aligned integer not null default 1 check (aligned in (0, 1));
-- 1: what image and index_stat would hold lies in the shards; a sample's rows are written when it is first looked at
alter table collection add column packed integer not null default 0 check (packed in (0, 1));
-- version of the shards' .series and .inventory files: they change together when an inventory is read for the collection
alter table collection add column side text not null default '';
-- JSON: what it was made of and how, as the command that made it says
alter table collection add column origin text not null default '{}';

-- JSON list of the scenes that the image was made of
alter table image add column source text not null default '[]';

-- The inventory's code at the site in each year that was read: the rotation.
create table aci_history (
    site integer not null references site (id),
    year integer not null,
    code integer not null,
    primary key (site, year)
) without rowid;

-- The table `split` again, for any method; `given` is a published membership. The new rows mend the references to the old ones.
create table split_before as select * from split;
drop table split;
create table split (
    id         integer primary key,
    collection text not null references collection (name),
    name       text not null,               -- e.g. random-60-20-20-seed0, block-10km-5fold-seed0
    method     text not null,               -- random, block or given
    folds      integer not null,            -- 0: train / validation / test parts; K: parts are fold-0 ... fold-(K-1)
    params     text not null,               -- JSON: shares, block side in metres, seed
    created    text not null,
    unique (collection, name)
);
insert into split select * from split_before;
drop table split_before;
"""

TOLD = """
-- 1: the quality is the source's word; 0: it was screened, and is again when the field's pixels change
alter table image add column told integer not null default 0 check (told in (0, 1));
"""


DOUBT = """
-- The samples of a run, the one whose label is most likely wrong first: out-of-fold probabilities ranked by confident learning.
create table suspect (
    run         text not null references run (name),
    sample      integer not null references sample (id),
    rank        integer not null,           -- 1 = the label most likely wrong
    given       text not null,              -- learned_class.name of the label that is doubted
    suggested   text not null,              -- learned_class.name that the model holds likeliest
    quality     real not null,              -- 0..1, of the label: low = likely wrong
    probability real not null,              -- out of fold, of the given class
    counted     integer not null check (counted in (0, 1)),   -- 1: among those that confident learning counts as errors
    reason      text not null,              -- what the card says
    primary key (run, sample)
) without rowid;

create unique index suspect_rank on suspect (run, rank);
"""

TEAM = """
-- Who decides. A name is taken whatever its letter case, and never given away again: events bear it.
create table curator (
    name    text primary key collate nocase check (length(name) > 0),
    role    text not null check (role in ('curator', 'reviewer', 'administrator')),
    login   text unique collate nocase,     -- what the company's login calls them, or null
    active  integer not null default 1 check (active in (0, 1)),
    read_to integer not null default 0,     -- the newest review of their own work (an event) that they have read
    created text not null
);
insert into curator (name, role, created) select curator, 'curator', min(at) from event group by curator collate nocase;
update curator set role = 'administrator' where name = (select curator from event order by id limit 1);

-- A team's rules for a collection; a collection without a row has the defaults of `labeling.policy`.
create table policy (
    collection text primary key references collection (name) on delete cascade,
    rules      text not null                -- JSON
);

-- A sample on somebody's screen, or soon to be: nobody else gets it until then.
create table lease (
    sample  integer primary key references sample (id) on delete cascade,
    holder  text not null,                  -- a browser tab or a process
    curator text not null,
    until   real not null                   -- seconds since 1970; renewed by the holder's heartbeat
);
create index lease_holder on lease (holder);

-- A label known well enough to try a curator with, and the label that the card shows: half of them are wrong on purpose.
create table control (
    id      integer primary key,
    sample  integer not null references sample (id) on delete cascade,
    curator text not null collate nocase,
    truth   integer not null,               -- the code
    shown   integer not null,               -- the code that the card gives as the inventory's
    placed  text not null,
    unique (curator, sample)
);

alter table event add column kind text;     -- why the sample was served: the kind of the queue's entry
alter table event add column look text not null default 'first'
    check (look in ('first', 'second', 'control', 'repeat', 'adjudication'));
alter table event add column blind integer not null default 0 check (blind in (0, 1));     -- 1: no label and no prediction was shown
alter table event add column shown text;    -- the code that the card gave as the inventory's; null: hidden, or not told
alter table event add column control integer references control (id);
create index event_control on event (control) where control is not null;

create trigger second_look_is_anothers before insert on event
when new.look = 'second' and exists (
    select 1 from event e where e.sample = new.sample and e.curator = new.curator collate nocase
        and e.look in ('first', 'adjudication') and e.action in ('agree', 'relabel', 'reject', 'unsure')
        and not exists (select 1 from event u where u.undo_of = e.id))
begin select raise(abort, 'a second look belongs to another curator than the first'); end;
create trigger control_never_stands before insert on event
when new.look in ('second', 'control', 'repeat') and new.stands = 1 and new.action in ('agree', 'relabel', 'reject', 'unsure')
begin select raise(abort, 'an answer to a control, a repeat or a second look is never in force'); end;

-- Kept by `labeling.looks` from the events: samples that a second curator is to see, and what came of it.
create table review (
    sample     integer primary key references sample (id) on delete cascade,
    collection text not null references collection (name),
    state      text not null check (state in ('due', 'agreed', 'conflict', 'settled')),
    first      text not null collate nocase,    -- the curator whose decision is looked at again
    why        text not null check (why in ('share', 'unsure', 'flagged', 'class', 'late'))     -- late: nobody had asked for it
);
create index review_state on review (collection, state, sample);
create index review_order on review (collection, sample);
insert into review (sample, collection, state, first, why)
    select s.id, s.collection, 'due', d.curator, case d.action when 'unsure' then 'unsure' else 'flagged' end
    from sample s join event d on d.id = s.decision where (d.action = 'unsure' or s.flagged) and not exists (
        select 1 from event o where o.sample = s.id and o.curator <> d.curator collate nocase
            and o.action in ('agree', 'relabel', 'reject', 'unsure') and not exists (select 1 from event u where u.undo_of = o.id));
create index curator_role on curator (role, active);

-- Decisions that could not be stored as events, whole: nothing that a curator said is lost.
create table refused (
    uid        text primary key,
    collection text not null,
    curator    text not null,
    said       text not null,               -- JSON: the decision as it was sent
    error      text not null,
    at         text not null
);

-- A queue that was worked out and stored: its order stays while curators work through it.
create table queue (
    id         integer primary key,
    collection text not null references collection (name) on delete cascade,
    kind       text not null,
    params     text not null,               -- JSON: what it was asked for with
    title      text not null,
    curator    text,
    last_event integer not null,            -- the newest event it knew
    made       text not null
);
create index queue_kind on queue (collection, kind, id);
create index sample_crop_open on sample (collection, inventory_code, decision, id);     -- the next open one is one seek
create index sample_shuffle_open on sample (collection, decision, shuffle, id);
create table queue_entry (
    queue  integer not null references queue (id) on delete cascade,
    rank   integer not null,                -- 1 = the first
    sample integer not null references sample (id) on delete cascade,
    kind   text not null,                   -- of a mixed queue: which of its parts the sample comes from
    score  real,
    reason text not null,                   -- what the card says
    open   integer not null default 1 check (open in (0, 1)),   -- kept by a trigger: not decided since the queue was made
    primary key (queue, rank)
) without rowid;
create index queue_entry_sample on queue_entry (sample, queue);
create index queue_entry_open on queue_entry (queue, open, rank);
create trigger queue_entry_is_open after update of decision on sample when old.decision is not new.decision
begin
    update queue_entry set open = new.decision is null or new.decision <= (select last_event from queue q where q.id = queue_entry.queue)
    where sample = new.id;
end;

-- What curators said and did not take back. verdict: the code, 'rejected' or 'unsure'.
create view verdict as
select e.id as event, e.uid, e.sample, s.collection, e.curator, e.look, e.stands, e.blind, e.control, e.action, e.shown,
    case e.action when 'reject' then 'rejected' when 'unsure' then 'unsure' else e.new end as verdict, e.reason, e.note,
    coalesce(e.kind, substr(e.queue, 1, instr(e.queue || ':', ':') - 1)) as kind, e.ms, e.at
from event e join sample s on s.id = e.sample
where e.action in ('agree', 'relabel', 'reject', 'unsure') and not exists (select 1 from event u where u.undo_of = e.id);

-- A dataset version with a name: `content_hash` is of the labels at `last_event`, see `data.versions`.
create table dataset_version (
    collection   text not null references collection (name),
    name         text not null,
    last_event   integer not null,
    content_hash text not null,
    curator      text not null,
    note         text,
    created      text not null,
    primary key (collection, name)
) without rowid;
"""

SCREENED = """
-- What the wall sorts by: worked out from an image's pixels once. `looked` and `quality` are kept by a trigger, so that a page of
-- the wall is read from one index. A row whose image changes is taken away and worked out anew.
create table image_look (
    image      integer primary key references image (id) on delete cascade,
    sample     integer not null references sample (id) on delete cascade,
    collection text not null references collection (name) on delete cascade,
    clear      real not null,               -- 0..1, as in image
    brightness real not null,               -- mean reflectance 0..1 of the visible bands; 0 where no pixel has data
    missing    real not null,               -- 0..1, share of the pixels without data
    spectrum   blob not null,               -- float32, mean reflectance a band in the collection's order; NaN = no data
    outlier    real not null default -1,    -- modified z-score of the spectrum among the collection's at that date; -1: not yet known
    suspicion  real not null,               -- 0..1, the strongest of the doubts
    looked     integer not null check (looked in (0, 1)),       -- 1: somebody said its quality and did not take it back
    quality    text not null                -- in force
);
create index image_look_sample     on image_look (sample);
create index image_look_clear      on image_look (collection, clear, image, looked, quality);
create index image_look_brightness on image_look (collection, brightness, image, looked, quality);
create index image_look_missing    on image_look (collection, missing, image, looked, quality);
create index image_look_outlier    on image_look (collection, outlier, image, looked, quality);
create index image_look_suspicion  on image_look (collection, suspicion, image, looked, quality);

create trigger image_is_looked_at after insert on event
when new.action = 'quality' or (new.action = 'undo' and exists (select 1 from event t where t.id = new.undo_of and t.action = 'quality'))
begin
    update image_look set
        looked = exists (
            select 1 from event e where e.sample = new.sample and e.image = image_look.image
                and not exists (select 1 from event u where u.undo_of = e.id)),
        quality = (select q.quality from image_quality q where q.image = image_look.image)
    where image = coalesce(new.image, (select t.image from event t where t.id = new.undo_of));
end;
create trigger image_is_screened_anew after update of clear, quality on image
begin delete from image_look where image = new.id; end;
"""

FRONTS = """
-- What is still to be done stands beside the order of each queue, in one index: its first sample is one seek however much is done.
drop index queue_entry_open;
create index queue_entry_open on queue_entry (queue, open, rank, sample);

alter table sample add column region text;  -- the site's, kept by triggers
update sample set region = (select region from site where id = sample.site);
create trigger sample_has_its_region after insert on sample
begin update sample set region = (select region from site where id = new.site) where id = new.id; end;
create trigger site_changes_its_region after update of region on site
begin update sample set region = new.region where site = new.id; end;
create index sample_region      on sample (collection, region, site, year);
create index sample_region_open on sample (collection, region, decision, site, year);

alter table suspect add column open integer not null default 1 check (open in (0, 1));     -- kept by triggers: not decided since the run
update suspect set open = 0 where exists (
    select 1 from sample s where s.id = suspect.sample and s.decision > (select last_event from run r where r.name = suspect.run));
create index suspect_sample on suspect (sample, run);
create index suspect_open   on suspect (run, open, rank, sample);
create trigger suspect_was_decided after insert on suspect
when exists (select 1 from sample s where s.id = new.sample and s.decision > (select last_event from run r where r.name = new.run))
begin update suspect set open = 0 where run = new.run and sample = new.sample; end;
create trigger suspect_is_open after update of decision on sample when old.decision is not new.decision
begin
    update suspect set open = new.decision is null or new.decision <= (select last_event from run r where r.name = suspect.run)
    where sample = new.id;
end;
"""


def _execute(db: Database, script: str) -> None:
    """Run `script` statement by statement: executescript() would commit the migration's transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


@migrations()
def catalogue(db: Database) -> None:
    _execute(db, CATALOGUE)


@migrations()
def decisions(db: Database) -> None:
    _execute(db, DECISIONS)


@migrations()
def models(db: Database) -> None:
    _execute(db, MODELS)


@migrations()
def inflow(db: Database) -> None:
    db.execute("pragma defer_foreign_keys = on")
    _execute(db, INFLOW)


@migrations()
def told(db: Database) -> None:
    _execute(db, TOLD)


@migrations()
def doubt(db: Database) -> None:
    _execute(db, DOUBT)


@migrations()
def team(db: Database) -> None:
    _execute(db, TEAM)


@migrations()
def screened(db: Database) -> None:
    _execute(db, SCREENED)


@migrations()
def fronts(db: Database) -> None:
    _execute(db, FRONTS)
