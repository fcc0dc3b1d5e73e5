/*
 * The primary role as docs/SAFETY.md promises it (S1): contention, transfer, lost leases, crashes, fences, lost answers.
 * spin tries every order in which the steps of all processes can fall, so every pause anywhere (test/real/model.test.ts).
 * README.md beside it maps each part to the code, and names the mutations (-DNAME) that spin has to refute.
 */
/* NODES (2 or 3), and how often each of these may happen: EPOCHS, CRASHES, FENCES, LOST answers, ASKS for a transfer. */
#define NOBODY NODES

mtype = { none, takeover, primary, relinquish };

/* The record `primary`: all of it changes in one write, by version. */
mtype state = none;
byte holder = NOBODY, holderLife, epoch, writer = NOBODY;
/* Whether the version is still the one that this node has read: a number would only make more states. */
bool fresh[NODES];

byte lockOf = NOBODY;         /* primary/lock: who owns it */
bool condemned[NODES];        /* fencing/<name>: an intent stands */
bool on[NODES] = true;        /* power */
bool runs[NODES];             /* the resources run on this machine, whatever its noded does */
bool dies[NODES];             /* its noded is being ended */
byte life[NODES];             /* incarnation */
byte crashes = CRASHES, fences = FENCES, lost = LOST, asks = ASKS;

mtype = { nothing, begin, release, handOver, contend };   /* what a turn of a noded comes to */

/* The resources begin to run. S1, at the only place where it could break. */
inline start() {
  atomic {
    runs[me] = true; holds = true;
    assert(me == 0 || !runs[0]);
    assert(me == 1 || !runs[1]);
    assert(NODES == 2 || me == 2 || !runs[2]);
#ifdef REACHED
    assert(epoch < EPOCHS)        /* no rule: shows that the model comes this far at all */
#endif
  }
}

/* A write has made the version another one than anybody has read. */
inline stale() {
  fresh[0] = false; fresh[1] = false;
#if NODES > 2
  fresh[2] = false
#endif
}

/* One transaction by version. Its answer may be lost; then it is read back, one step later. */
inline write(newState, newHolder, newLife, newEpoch, condition) {
  atomic {
#ifdef BLIND_WRITE
    done = (condition);
#else
    done = (fresh[me] && (condition));
#endif
    if
    :: done ->
      state = newState; holder = newHolder; holderLife = newLife; epoch = newEpoch;
      writer = me; stale(); fresh[me] = true
    :: else
    fi;
    if
    :: lost > 0 -> lost--; unclear = true
    :: true
    fi
  };
  if
  :: atomic { unclear -> done = (done && writer == me); unclear = false; doubted = true }
  :: atomic { !unclear -> doubted = false }
  fi
}

proctype Noded(byte me) {
  byte seenEpoch, taken, to, toLife;
  mtype plan = nothing;
  bool done, unclear, doubted, holds;
born:
  atomic {
    /* It joins only when no fence of it is under way (registration.ts). */
#ifdef JOIN_WHILE_CONDEMNED
    on[me];
#else
    on[me] && !condemned[me];
#endif
    life[me]++; dies[me] = false;
    seenEpoch = 0; taken = 0; to = 0; toLife = 0; plan = nothing;
    done = false; unclear = false; doubted = false; holds = false
  };
  {
    /* What a former life left is stopped before anything is said about it (primary.ts). */
#ifndef KEEP_LEFTOVERS
    runs[me] = false;
#endif
    do
    :: atomic { holds -> runs[me] = false; holds = false }        /* deposed: its lease ran out (tenure.ts) */
    :: atomic {                                                   /* one look at the record, and what comes of it */
        fresh[me] = true; seenEpoch = epoch; plan = nothing;
        if
        :: holder == me && holderLife == life[me] && !holds && state == takeover && epoch > taken ->
          taken = epoch; plan = begin
        :: holder == me && holderLife == life[me] && !holds && !(state == takeover && epoch > taken) -> plan = release
        :: holder == me && holderLife != life[me] -> plan = release
        :: holder == me && holderLife == life[me] && holds && epoch < EPOCHS && asks > 0 ->
          asks--; plan = handOver;
          if
          :: to = (me + 1) % NODES
          :: NODES > 2 -> to = (me + 2) % NODES
          fi;
          toLife = life[to]                                       /* as it was when it said that it is ready */
        :: holder != me && holds -> runs[me] = false; holds = false
#ifdef TAKE_ON_SILENCE
        :: !holds && holder != me && epoch < EPOCHS && lockOf == NOBODY -> lockOf = me; plan = contend
#else
        :: !holds && state == none && epoch < EPOCHS && lockOf == NOBODY -> lockOf = me; plan = contend
#endif
        :: else
        fi
      };
      if
      :: plan == begin ->                                         /* takeover.ts */
        start();
        write(primary, me, life[me], seenEpoch, true)
      :: plan == release -> write(none, NOBODY, 0, seenEpoch, true)
      :: plan == handOver ->                                      /* relinquish.ts */
        write(relinquish, me, life[me], seenEpoch, true);
        if
        :: !done
        :: done ->
          atomic { runs[me] = false; holds = false };
          write(takeover, to, toLife, seenEpoch + 1, true);
#ifdef GO_ON_IN_DOUBT
          if
          :: doubted -> start()
          :: !doubted
          fi
#endif
        :: done -> write(primary, me, life[me], seenEpoch, true)  /* it cannot stop, and goes on */
        fi
      :: plan == contend ->                                       /* contend.ts */
#ifdef NO_LOCK
        write(takeover, me, life[me], seenEpoch + 1, true);
#else
        write(takeover, me, life[me], seenEpoch + 1, lockOf == me);
#endif
        if
        :: atomic { lockOf == me -> lockOf = NOBODY }
        :: lockOf != me
        fi
      :: plan == nothing
      fi;
      atomic { plan = nothing; fresh[me] = false; seenEpoch = 0; to = 0; toLife = 0; done = false; doubted = false }
    od
  } unless { dies[me] };
  goto born
}

inline any(one) {
  if
  :: one = 0
  :: one = 1
  :: NODES > 2 -> one = 2
  fi
}

/* What happens to machines: noded is killed, a plug is pulled, power comes back, a session ends and its lock with it. */
proctype World() {
  byte who;
  do
  :: atomic { crashes > 0 -> crashes--; any(who); dies[who] = true; who = 0 }
  :: atomic { crashes > 0 -> crashes--; any(who); on[who] = false; runs[who] = false; dies[who] = true; who = 0 }
  :: atomic { any(who); !on[who] -> on[who] = true; who = 0 }
  :: atomic { lockOf != NOBODY -> lockOf = NOBODY }
  od
}

/* A fence (agent/fencing): intent, power asked off, power read, and one transaction that frees what the node held. */
proctype Fencer() {
  byte node, victim;
  do
  :: atomic { fences > 0 -> fences--; any(node); condemned[node] = true; victim = life[node] };
    if
    :: atomic { on[node] = false; runs[node] = false; dies[node] = true }
    :: true                                                       /* the BMC says "done", and does nothing */
    fi;
    if
#ifdef TRUST_THE_EXIT_CODE
    :: true ->
#else
    :: !on[node] ->
#endif
      atomic {
        condemned[node] = false;
        if
#ifdef ANY_LIFE
        :: holder == node -> state = none; holder = NOBODY; holderLife = 0; writer = NOBODY; stale()
#else
        :: holder == node && holderLife == victim -> state = none; holder = NOBODY; holderLife = 0; writer = NOBODY; stale()
#endif
        :: else -> skip
        fi
      }
    :: on[node] -> condemned[node] = false                        /* failed: nothing is freed */
    fi;
    atomic { node = 0; victim = 0 }
  od
}

init {
  byte each = 0;
  atomic {
    do
    :: each < NODES -> run Noded(each); each++
    :: else -> break
    od;
    run World();
    run Fencer()
  }
}
