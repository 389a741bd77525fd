/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer's bytes before sd-bus sees them; the first says from whom and in which pieces. */
#include "fuzz.h"
#include "link-frames.h"

static gboolean pass_in_pieces(LinkFrames *frames, const uint8_t *data, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece)
        if (!link_frames_pass(frames, data + at, MIN(piece, size - at)))
            return FALSE;
    return TRUE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    LinkFrames whole, pieces;
    gboolean passed;

    if (size < 1)
        return 0;
    link_frames_init(&whole, data[0] & 1);
    link_frames_init(&pieces, data[0] & 1);
    passed = pass_in_pieces(&whole, data + 1, size - 1, size);
    g_assert_true(passed == pass_in_pieces(&pieces, data + 1, size - 1, 1 + (data[0] >> 1)));
    g_assert_true(passed == (link_frames_refusal(&whole) == NULL));
    g_assert_cmpstr(link_frames_refusal(&whole), ==, link_frames_refusal(&pieces));
    return 0;
}
