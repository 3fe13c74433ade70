# Which terminal this is: part of the profile of each agent.
#
# An agent chooses by these what it draws and which keys it asks for. They say nothing but the terminal's name, version and number.

environment {
  pass = [
    "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TERM_FEATURES", "COLORFGBG",
    "VTE_VERSION", "KONSOLE_VERSION", "KITTY_WINDOW_ID", "WEZTERM_PANE", "WT_SESSION",
  ]
}
