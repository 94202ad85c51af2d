# set(fakes_of_pop3_session fake_mailbox_client.c)
set(fakes_of_rpc rpc_stage.c)
set(fakes_of_connection toy_server.c)
set(fakes_of_tls toy_server.c)
