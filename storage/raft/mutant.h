/* Known bugs of real Raft implementations, kept on a switch so that the simulator can show that it
 * would find them: build everything with -DRAFT_MUTANT=number, as tests/sim/mutants does. Without
 * it each MUTANT() is the constant false, and costs nothing.
 *
 * Where each lives, as MUTANT(number) in the source:
 *
 *   storage/raft
 *    1 replication   commits by counting an entry of an older term (Figure 8 of the paper)
 *    2 heartbeat     a heartbeat is answered with the follower's own last index, as a match
 *    3 raft          durability acknowledged by index alone (ABA after a truncation)
 *    4 replication   the leader counts its own entries before they are durable
 *    5 election      a vote is sent before term and vote are durable
 *    6 election      a second vote in a term while a transfer is pending
 *    7 election      a vote is decided on the persisted part of the log alone, while answers for
 *                    the rest are on their way
 *    8 replication   the commit index may go back
 *    9 raft          an append is answered, when durable, to whoever leads by then
 *   10 membership    an uncommitted configuration is not undone by a truncation
 *   13 election      no no-op at the start of a term, and reads served at once
 *   14 read          ReadIndex answered without a quorum round
 *   17 raft          commit starved while the leader keeps appending
 *   18 heartbeat,    retransmission to a lagging follower without bound
 *      replication
 *   19 election      a removed server disrupts the others: no pre-vote, no lease
 *   20 raft          a replica of an older generation is still answered
 *   21 heartbeat     a lease is counted from when an answer came, not from when it was asked for
 *   22 recovery      a replica that restarts has forgotten the lease that it granted
 *   23 raft          a replica that is told to campaign forgets the lease that it granted
 *   24 election      who is called upon and no voter by its own log does not stand (liveness)
 *
 *   storage, and the node around it: tests/sim is that node until storage/shard hosts replicas
 *   11 replica_write,  a failed disk is not noticed: the replica goes on leading and answering
 *      sim_node, sim_shard
 *   12 log_write       the log in memory is ahead of the disk after a failed append
 *   15 log_compact,    the log is truncated past the durable applied index
 *      sim_shard
 *   16 sim_shard       the installation of a snapshot is not finished after a crash
 *   25 replica         an installation begins before the writes that came before it are durable */
#ifndef AVISO_STORAGE_RAFT_MUTANT_H
#define AVISO_STORAGE_RAFT_MUTANT_H

#ifndef RAFT_MUTANT
#define RAFT_MUTANT 0
#endif

#define MUTANT(number) (RAFT_MUTANT == (number))

#endif
