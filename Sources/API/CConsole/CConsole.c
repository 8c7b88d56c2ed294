#include "CConsole.h"

// Part of C since 2023; the compiler takes it in every version of C.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char announcer_js[] = {
#embed "files/announcer.js"
};
static const unsigned char api_js[] = {
#embed "files/api.js"
};
static const unsigned char connections_view_js[] = {
#embed "files/connections-view.js"
};
static const unsigned char console_css[] = {
#embed "files/console.css"
};
static const unsigned char create_view_js[] = {
#embed "files/create-view.js"
};
static const unsigned char custody_view_js[] = {
#embed "files/custody-view.js"
};
static const unsigned char deliveries_js[] = {
#embed "files/deliveries.js"
};
static const unsigned char detail_view_js[] = {
#embed "files/detail-view.js"
};
static const unsigned char dialog_js[] = {
#embed "files/dialog.js"
};
static const unsigned char dom_js[] = {
#embed "files/dom.js"
};
static const unsigned char downloads_js[] = {
#embed "files/downloads.js"
};
static const unsigned char entra_js[] = {
#embed "files/entra.js"
};
static const unsigned char events_js[] = {
#embed "files/events.js"
};
static const unsigned char export_list_js[] = {
#embed "files/export-list.js"
};
static const unsigned char exports_view_js[] = {
#embed "files/exports-view.js"
};
static const unsigned char files_panel_js[] = {
#embed "files/files-panel.js"
};
static const unsigned char format_js[] = {
#embed "files/format.js"
};
static const unsigned char grid_js[] = {
#embed "files/grid.js"
};
static const unsigned char icon_svg[] = {
#embed "files/icon.svg"
};
static const unsigned char index_html[] = {
#embed "files/index.html"
};
static const unsigned char main_js[] = {
#embed "files/main.js"
};
static const unsigned char metrics_js[] = {
#embed "files/metrics.js"
};
static const unsigned char plot_js[] = {
#embed "files/plot.js"
};
static const unsigned char schema_form_js[] = {
#embed "files/schema-form.js"
};
static const unsigned char session_js[] = {
#embed "files/session.js"
};
static const unsigned char sha256_js[] = {
#embed "files/sha256.js"
};
static const unsigned char sign_in_view_js[] = {
#embed "files/sign-in-view.js"
};
static const unsigned char timeline_js[] = {
#embed "files/timeline.js"
};
static const unsigned char views_css[] = {
#embed "files/views.css"
};

#define FILE(name, bytes) {name, bytes, sizeof bytes}

static const struct console_file files[] = {
    FILE("announcer.js", announcer_js),
    FILE("api.js", api_js),
    FILE("connections-view.js", connections_view_js),
    FILE("console.css", console_css),
    FILE("create-view.js", create_view_js),
    FILE("custody-view.js", custody_view_js),
    FILE("deliveries.js", deliveries_js),
    FILE("detail-view.js", detail_view_js),
    FILE("dialog.js", dialog_js),
    FILE("dom.js", dom_js),
    FILE("downloads.js", downloads_js),
    FILE("entra.js", entra_js),
    FILE("events.js", events_js),
    FILE("export-list.js", export_list_js),
    FILE("exports-view.js", exports_view_js),
    FILE("files-panel.js", files_panel_js),
    FILE("format.js", format_js),
    FILE("grid.js", grid_js),
    FILE("icon.svg", icon_svg),
    FILE("index.html", index_html),
    FILE("main.js", main_js),
    FILE("metrics.js", metrics_js),
    FILE("plot.js", plot_js),
    FILE("schema-form.js", schema_form_js),
    FILE("session.js", session_js),
    FILE("sha256.js", sha256_js),
    FILE("sign-in-view.js", sign_in_view_js),
    FILE("timeline.js", timeline_js),
    FILE("views.css", views_css),
};

const struct console_file *console_files(void) { return files; }

size_t console_file_count(void) { return sizeof files / sizeof files[0]; }
