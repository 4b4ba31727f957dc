# The environment of serverless. It reports to nobody, needs no account, and keeps its files in a home of its own: among
# them is a compiled schema, without which it starts seconds later.
export HOME=$PWD/node_modules/.home
export SLS_TELEMETRY_DISABLED=1 SLS_NOTIFICATIONS_MODE=off SLS_ANALYTICS_DISABLED=1 SLS_TRACKING_DISABLED=1
export AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none
