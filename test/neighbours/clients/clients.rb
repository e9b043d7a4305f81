# Clients that refresh the view "sales" with ActiveRecord, each as its users write it: clients.rb NAME.  The server
# is that of PGHOST, PGPORT, PGUSER and PGDATABASE.
require "active_record"

ActiveRecord::Base.establish_connection(adapter: "postgresql", host: ENV["PGHOST"], port: ENV["PGPORT"],
                                        username: ENV["PGUSER"], database: ENV["PGDATABASE"])

class RefreshSales < ActiveRecord::Migration[6.0]
  def up
    execute "REFRESH MATERIALIZED VIEW sales"
  end
end

case ARGV[0]
when "execute"
  ActiveRecord::Base.connection.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY sales")
when "migration"
  ActiveRecord::Base.transaction { RefreshSales.new.migrate(:up) }
end
