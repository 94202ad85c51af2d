/* Plays tests/transcripts/smtp, submission and lmtp against sessions over a fake storage. */
#include "core/macros.h"
#include "frontend/smtp/smtp_session.h"
#include "tests/fakes/transcript_scene.h"
#include "tests/unit/unit.h"

static enum smtp_service service_of(const char *path)
{
    if (strncmp(path, "lmtp/", 5) == 0) {
        return SMTP_LMTP;
    }
    return strncmp(path, "submission/", 11) == 0 ? SMTP_SUBMISSION : SMTP_MX;
}

static void play(void **state)
{
    const char *path = *state;
    struct transcript_scene scene;

    transcript_scene_init(&scene);

    struct smtp_options options = {
        .service = service_of(path),
        .router = scene.store,
        .authenticator = &scene.authenticator,
        .host_name = SLICE("mx.example.org"),
        .spool_folder = "/tmp",
        .spool_memory_max = 16 * 1024,
        .message_size_max = 100 * 1000,
        .recipients_max = 30,
        .hops_max = 20,
        .errors_max = 20,
        .idle_timeout_ms = 300 * 1000,
        .offers_tls = service_of(path) == SMTP_SUBMISSION,
        .auth_in_clear = true,
    };
    struct protocol protocol = smtp_protocol(&options);

    transcript_scene_play(&scene, &protocol, path);
    transcript_scene_done(&scene);
}

int main(void)
{
    return transcript_scene_main("smtp", "tests/transcripts/smtp/*.txt", play) +
           transcript_scene_main("submission", "tests/transcripts/submission/*.txt", play) +
           transcript_scene_main("lmtp", "tests/transcripts/lmtp/*.txt", play);
}
