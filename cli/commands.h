/* SPDX-License-Identifier: Apache-2.0 */
/* The main functions of all commands, one file each (`*_main.c` in the room they belong to). */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int seed_main(int argc, char **argv);	   /* cli/seed_main.c */
int fetch_main(int argc, char **argv);	   /* cli/fetch_main.c */
int simulate_main(int argc, char **argv);  /* cli/simulate_main.c */
int tracker_main(int argc, char **argv);   /* tracker/tracker_main.c */
int image_main(int argc, char **argv);	   /* images/image_main.c */
int initramfs_main(int argc, char **argv); /* initramfs/build_main.c */
int up_main(int argc, char **argv);	   /* server/up_main.c */
int status_main(int argc, char **argv);	   /* server/status_main.c */
int arm_main(int argc, char **argv);	   /* server/arm_main.c */
int disarm_main(int argc, char **argv);	   /* server/arm_main.c */
int node_main(int argc, char **argv);	   /* server/node_main.c */

#endif
