/* A service on one loop and a client on another, for the tests of RPC: the Directory service plays
 * parts that the name in the request asks for, the Watches service streams numbers. */
#ifndef AVISO_TESTS_FAKES_RPC_STAGE_H
#define AVISO_TESTS_FAKES_RPC_STAGE_H

#include "net/rpc.h"
#include "net/rpc_node.h"
#include "net/rpc_server.h"
#include "proto/directory.pb-c.h"
#include "proto/watch.pb-c.h"

/* What lies between client and server on the stages to come. */
enum stage_carrier { STAGE_LOCAL, STAGE_TCP, STAGE_TLS };
extern enum stage_carrier stage_carrier;

struct stage {
    struct loop *client_loop; /* the test's own thread runs it */
    struct loop *server_loop;
    struct rpc_services services;
    ProtobufCService *served[2];
    struct loop *net_loop; /* carries the server's connections; NULL when local */
    struct rpc_server *server;
    struct rpc_node *node;
    struct tls_context *tls;     /* of both sides */
    ProtobufCService *directory; /* channels of the client */
    ProtobufCService *watches;

    /* The server's, read by tests after the stage ended. */
    Aviso__Directory_Service directory_service; /* its first member is in `served` */
    Aviso__Watches_Service watches_service;
    struct rpc_request *held; /* by "hold", until `let_go` */
    struct loop_message let_go;
    struct loop_message arrived; /* posted to the client when "hold" came */
    unsigned served_count;
    unsigned stream_ends;
    Aviso__WatchEvent_Closure send_event;
    uint64_t stream_sent;
    uint64_t stream_most; /* items; then the end */
    enum status let_go_status;
};

/* Parts: "echo" gives name, slot and octets back; "hold" answers when let go; "deny" fails with
 * DENIED; "follow" with NOT_LEADER, hint 7; "huge" answers more than a message may hold. */
void stage_open(struct stage *stage);

/* Stops the server in order; stage_close() does it otherwise. */
void stage_stop_server(struct stage *stage);

/* Opens it at `port` again. */
void stage_open_server(struct stage *stage, uint16_t port);

/* Runs `begin` on the client's loop, which then runs until loop_stop(). */
void stage_play(struct stage *stage, struct loop_message *begin);

/* Ends the loops and what is left of the channels. */
void stage_close(struct stage *stage);

/* On the client's loop: lets the held request be answered. */
void stage_let_go(struct stage *stage);

#endif
