# An export from its creation to its file, and three answers that are none, with the generated client `export_gateway`.
require 'digest'
require 'fileutils'
require 'securerandom'
require 'export_gateway'

GROUP = 'f089354e-8366-4e18-aea3-4cb4a3a50b48'.freeze
REPORT = 'c0ffee00-2222-4333-8444-555566667777'.freeze

def client(address, key)
  configuration = ExportGateway::Configuration.new
  configuration.scheme, configuration.host = address.split('://')
  configuration.access_token = key
  # The address of a downloaded temporary file is nothing to tell.
  configuration.logger = Logger.new(File::NULL)
  ExportGateway::ExportsApi.new(ExportGateway::ApiClient.new(configuration))
end

# Whether the export is in the list, whose end is where `next_cursor` is missing.
def listed?(exports, id)
  more = {}
  loop do
    page = exports.list_exports(provider: 'power-bi', limit: 20, **more)
    return true if page.value.any? { |export| export.id == id }
    return false unless page.next_cursor

    more = { cursor: page.next_cursor }
  end
end

# The SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it.
def expected(exports, id, headers)
  digest = headers['Unencoded-Digest']
  return 'header field', digest[/\Asha-256=:(.*):\z/, 1].unpack1('m').unpack1('H*') if digest

  loop do
    delivery = exports.list_export_deliveries(id, request_id: headers['X-Request-Id']).value.first
    if delivery.outcome != 'underWay'
      raise "the download ended as #{delivery.outcome}" unless delivery.outcome == 'whole'

      return 'delivery', delivery.sha256
    end
    sleep 0.1
  end
end

# The temporary file of a download, whose bytes are those that the gateway sent.
def checked(exports, id, answer)
  file, _, headers = answer
  source, wanted = expected(exports, id, headers)
  found = Digest::SHA256.file(file.path).hexdigest
  raise "the file has the SHA-256 #{found}, not #{wanted}" if found != wanted

  puts "downloaded, checked by #{source}: #{found}"
  file
end

# The problem document that a call ends with: the client has its text only.
def problem
  yield
  raise 'it did not fail'
rescue ExportGateway::ApiError => e
  ExportGateway::Problem.build_from_hash(JSON.parse(e.response_body, symbolize_names: true))
end

address, file = ARGV
exports = client(address, ENV.fetch('EXPORT_GATEWAY_KEY'))
report = ExportGateway::PowerBIOptions.new(group_id: GROUP, report_id: REPORT, format: 'CSV')
request = ExportGateway::CreateExportRequest.new(provider: 'power-bi', name: 'Quarterly ledger', power_bi: report)
export = exports.create_export(request, idempotency_key: SecureRandom.uuid)
puts "created: #{export.id}"
# The answer is held back until something changes.
export = exports.get_export(export.id, prefer: 'wait=30') until export.completed_at
puts "ended #{export.status}"
raise 'it is not in the list' unless listed?(exports, export.id)

puts "listed: #{export.id}"
content = checked(exports, export.id, exports.download_export_file_with_http_info(export.id, export.files.first.id))
FileUtils.cp(content.path, file)
checked(exports, export.id, exports.download_export_content_with_http_info(export.id))

missing = problem { exports.get_export(SecureRandom.uuid) }
puts "#{missing.status} #{missing.code}: #{missing.request_id}"
refused = problem { client(address, 'another key').get_export(export.id) }
puts "#{refused.status} #{refused.code}: #{refused.request_id}"
_, _, headers = exports.get_export_with_http_info(export.id)
begin
  exports.get_export(export.id, if_none_match: headers['ETag'])
rescue ExportGateway::ApiError => e
  puts e.code
end
