import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.StringReader;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import javax.net.SocketFactory;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;

/**
 * One JDBC connection that does what clients.py tells it: a request is a line, its
 * answer lines "row ...", then "done COUNT" or "error SQLSTATE MESSAGE". Fields are separated
 * by tabs and escaped as COPY does it. What it says is not believed: the test looks itself.
 */
public final class Doors {
    private final Connection db;
    private final PrintStream out;
    /** What a form shows: the columns of one row, as the driver gave them. */
    private Map<String, Object> form = new LinkedHashMap<>();

    private Doors(Connection db, PrintStream out) {
        this.db = db;
        this.out = out;
    }

    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.setProperty("user", args[1]);
        // The test's server has no other socket, and JDBC does not know this kind.
        p.setProperty("socketFactory", UnixSockets.class.getName());
        p.setProperty("socketFactoryArg", args[0]);
        // Prepared in the server, and values in binary form, from the first time on.
        p.setProperty("prepareThreshold", "1");
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (Connection db = DriverManager.getConnection("jdbc:postgresql://localhost/" + args[2], p);
                BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            Doors doors = new Doors(db, out);
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                doors.answer(line);
            }
        }
    }

    private void answer(String line) throws IOException {
        List<String> fields = Arrays.stream(line.split("\t", -1)).map(Doors::unescape).collect(Collectors.toList());
        List<String> rest = fields.subList(2, fields.size());
        try {
            say("done", Long.toString(carryOut(fields.get(0), fields.get(1), rest)));
        } catch (SQLException e) {
            SQLException cause = e;
            while (cause.getNextException() != null && !(cause instanceof PSQLException)) {
                cause = cause.getNextException();
            }
            // The primary message alone: that is what tools show.
            boolean fromServer = cause instanceof PSQLException && ((PSQLException) cause).getServerErrorMessage() != null;
            String message = fromServer ? ((PSQLException) cause).getServerErrorMessage().getMessage() : cause.getMessage();
            say("error", cause.getSQLState(), message);
        }
    }

    private long carryOut(String request, String sql, List<String> rest) throws SQLException, IOException {
        switch (request) {
            case "run":
                return run(sql, rest);
            case "batch":
                return batch(sql, Integer.parseInt(rest.get(0)), rest.subList(1, rest.size()));
            case "edit":
                return edit(sql, rest);
            case "read":
                return read(sql, rest);
            case "write":
                return write(sql, rest);
            case "copy":
                return db.unwrap(PGConnection.class).getCopyAPI().copyIn(sql, new StringReader(rest.get(0)));
            case "begin":
                db.setAutoCommit(false);
                return 0;
            case "rollback":
                db.rollback();
                db.setAutoCommit(true);
                return 0;
            default:
                throw new IOException("unknown request: " + request);
        }
    }

    private long run(String sql, List<String> params) throws SQLException {
        try (PreparedStatement s = db.prepareStatement(sql)) {
            bind(s, params);
            return s.execute() ? rows(s.getResultSet()) : s.getUpdateCount();
        }
    }

    private long rows(ResultSet r) throws SQLException {
        long n = 0;
        for (int columns = r.getMetaData().getColumnCount(); r.next(); n++) {
            String[] row = new String[columns + 1];
            row[0] = "row";
            for (int i = 1; i <= columns; i++) {
                row[i] = r.getString(i);
            }
            say(row);
        }
        return n;
    }

    /** All or none, as a batch is in a transaction of its own. */
    private long batch(String sql, int width, List<String> params) throws SQLException {
        db.setAutoCommit(false);
        try (PreparedStatement s = db.prepareStatement(sql)) {
            for (int i = 0; i < params.size(); i += width) {
                bind(s, params.subList(i, i + width));
                s.addBatch();
            }
            long sum = Arrays.stream(s.executeBatch()).sum();
            db.commit();
            return sum;
        } catch (SQLException e) {
            db.rollback();
            throw e;
        } finally {
            db.setAutoCommit(true);
        }
    }

    /** Changes every row of an updatable result, as grids do; the answer has what they show then. */
    private long edit(String sql, List<String> columnsAndValues) throws SQLException {
        long n = 0;
        try (Statement s = db.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
                ResultSet r = s.executeQuery(sql)) {
            for (; r.next(); n++) {
                for (int i = 0; i < columnsAndValues.size(); i += 2) {
                    String value = columnsAndValues.get(i + 1);
                    if (value != null && value.startsWith("i")) {
                        r.updateInt(columnsAndValues.get(i), Integer.parseInt(value.substring(1)));
                    } else {
                        r.updateString(columnsAndValues.get(i), value == null ? null : value.substring(1));
                    }
                }
                r.updateRow();
                r.refreshRow();
                say("row", r.getString("human_label"), r.getString("reviewed_by"), r.getString("row_version"));
            }
        }
        return n;
    }

    private long read(String sql, List<String> params) throws SQLException {
        try (PreparedStatement s = db.prepareStatement(sql)) {
            bind(s, params);
            form = new LinkedHashMap<>();
            try (ResultSet r = s.executeQuery()) {
                ResultSetMetaData about = r.getMetaData();
                while (r.next()) {
                    for (int i = 1; i <= about.getColumnCount(); i++) {
                        form.put(about.getColumnName(i), r.getObject(i));
                    }
                }
            }
        }
        return form.size();
    }

    /** Sends the whole form back, with one column changed. */
    private long write(String table, List<String> keyColumnValue) throws SQLException {
        Object key = form.get(keyColumnValue.get(0));
        Map<String, Object> sent = new LinkedHashMap<>(form);
        sent.put(keyColumnValue.get(1), keyColumnValue.get(2));
        String set = sent.keySet().stream().map(column -> column + " = ?").collect(Collectors.joining(", "));
        try (PreparedStatement s =
                db.prepareStatement("UPDATE " + table + " SET " + set + " WHERE " + keyColumnValue.get(0) + " = ?")) {
            int i = 0;
            for (Object value : sent.values()) {
                s.setObject(++i, value);
            }
            s.setObject(++i, key);
            return s.executeUpdate();
        }
    }

    /** "sTEXT" or "iNUMBER"; null is a string, too. */
    private static void bind(PreparedStatement s, List<String> params) throws SQLException {
        for (int i = 0; i < params.size(); i++) {
            String param = params.get(i);
            if (param == null) {
                s.setNull(i + 1, Types.VARCHAR);
            } else if (param.startsWith("i")) {
                s.setInt(i + 1, Integer.parseInt(param.substring(1)));
            } else {
                s.setString(i + 1, param.substring(1));
            }
        }
    }

    private void say(String... fields) {
        out.println(Arrays.stream(fields).map(Doors::escape).collect(Collectors.joining("\t")));
    }

    private static String escape(String text) {
        return text == null ? "\\N" : text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n");
    }

    private static String unescape(String field) {
        if (field.equals("\\N")) {
            return null;
        }
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < field.length(); i++) {
            char c = field.charAt(i);
            if (c == '\\' && i + 1 < field.length()) {
                char escaped = field.charAt(++i);
                c = escaped == 't' ? '\t' : escaped == 'n' ? '\n' : escaped == 'r' ? '\r' : escaped;
            }
            text.append(c);
        }
        return text.toString();
    }

    /** Makes the driver's sockets lead to a file. */
    public static final class UnixSockets extends SocketFactory {
        private final String path;

        public UnixSockets(String path) {
            this.path = path;
        }

        @Override
        public Socket createSocket() throws IOException {
            return new UnixSocket(path);
        }

        @Override
        public Socket createSocket(String host, int port) throws IOException {
            return createSocket();
        }

        @Override
        public Socket createSocket(String host, int port, InetAddress local, int localPort) throws IOException {
            return createSocket();
        }

        @Override
        public Socket createSocket(InetAddress host, int port) throws IOException {
            return createSocket();
        }

        @Override
        public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) throws IOException {
            return createSocket();
        }
    }

    private static final class UnixSocket extends Socket {
        private final SocketChannel channel;

        UnixSocket(String path) throws IOException {
            channel = SocketChannel.open(UnixDomainSocketAddress.of(path));
        }

        @Override
        public void connect(SocketAddress ignored, int timeout) {}

        @Override
        public boolean isConnected() {
            return true;
        }

        @Override
        public boolean isClosed() {
            return !channel.isOpen();
        }

        @Override
        public InputStream getInputStream() {
            return Channels.newInputStream(channel);
        }

        @Override
        public OutputStream getOutputStream() {
            return Channels.newOutputStream(channel);
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }

        // Options of TCP.
        @Override
        public void setTcpNoDelay(boolean ignored) {}

        @Override
        public void setKeepAlive(boolean ignored) {}

        @Override
        public void setSoTimeout(int ignored) {}

        @Override
        public int getSoTimeout() {
            return 0;
        }

        @Override
        public void setReceiveBufferSize(int ignored) {}

        @Override
        public void setSendBufferSize(int ignored) {}

        @Override
        public int getReceiveBufferSize() {
            return 65536;
        }

        @Override
        public int getSendBufferSize() {
            return 65536;
        }
    }
}
