/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json-glib-lines FILE: parses each line with json-glib and throws it away. What judge is compared with. */
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    unsigned long parsed = 0;

    if (file == NULL)
        return 2;
    while ((length = getline(&line, &room, file)) > 0)
        parsed += json_parser_load_from_data(parser, line, length, NULL);
    printf("%lu\n", parsed);
    free(line);
    fclose(file);
    return 0;
}
