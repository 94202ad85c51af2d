/* Plays tests/transcripts/pop3 against sessions over a fake storage. */
#include "core/macros.h"
#include "frontend/pop3/pop3_session.h"
#include "tests/fakes/transcript_scene.h"
#include "tests/unit/unit.h"

static void play(void **state)
{
    struct transcript_scene scene;

    transcript_scene_init(&scene);

    struct pop3_options options = {
        .router = scene.store,
        .authenticator = &scene.authenticator,
        .host_name = SLICE("pop.example.org"),
        .messages_max = 1000 * 1000,
        .errors_max = 20,
        .login_timeout_ms = 60 * 1000,
        .idle_timeout_ms = 600 * 1000,
        .offers_tls = true,
        .login_in_clear = true,
    };
    struct protocol protocol = pop3_protocol(&options);

    transcript_scene_play(&scene, &protocol, *state);
    transcript_scene_done(&scene);
}

int main(void)
{
    return transcript_scene_main("pop3", "tests/transcripts/pop3/*.txt", play);
}
