/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The main loop's poll() for thousands of descriptors.
 *
 * GLib hands all descriptors to poll() before every step, so that with n peers each message costs a walk of the kernel over all
 * their sockets. Those that were entrusted here are kept in an epoll instance instead; all others are polled as ever.
 * A descriptor that is entrusted has to be taken back before it is closed, or in the same step of the loop. Main thread only.
 */

#include <glib.h>

/* From now on the default context polls in this way, for the life of the process. Without it the others do nothing. */
void fd_poll_install(void);

/* Harmless for one that is entrusted already, and for one that epoll cannot take. */
void fd_poll_entrust(int fd);

/* Harmless for one that is not entrusted, closed or not. */
void fd_poll_take_back(int fd);
