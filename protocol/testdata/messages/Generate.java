// Writes random messages with Apache Kafka's own classes, for the versions that no oracle crate has.
//
//     java -cp kafka-clients-4.4.0.jar:jackson-databind.jar:... Generate.java 4.4.0 > kafka-4.4.0.txt
//
// One line a message: its name, its version, its bytes in hexadecimal, and the same as JSON. Every run writes the
// same lines. The classes write only versions that their release has: the previews of share groups are in 4.0.0.

import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

public class Generate {
    static final int EACH = 4;
    static final String PACKAGE = "org.apache.kafka.common.message.";

    /** API, lowest version, highest version. */
    static final String[][] PREVIEWS = {
        {"ShareGroupHeartbeat", "0", "0"}, {"ShareGroupDescribe", "0", "0"}, {"ShareFetch", "0", "0"},
        {"ShareAcknowledge", "0", "0"},
    };
    static final String[][] NEWEST = {
        {"ShareFetch", "2", "2"}, {"ShareAcknowledge", "2", "2"}, {"StreamsGroupHeartbeat", "0", "1"},
        {"StreamsGroupDescribe", "0", "1"}, {"DescribeShareGroupOffsets", "1", "1"},
        {"StreamsGroupTopologyDescriptionUpdate", "0", "0"},
    };

    public static void main(String[] arguments) throws Exception {
        for (String[] api : arguments[0].equals("4.0.0") ? PREVIEWS : NEWEST) {
            for (short version = Short.parseShort(api[1]); version <= Short.parseShort(api[2]); version++) {
                for (String side : List.of("Request", "Response")) {
                    for (int i = 0; i < EACH; i++) {
                        print(api[0] + side, version, new Random(i));
                    }
                }
            }
        }
    }

    static void print(String name, short version, Random random) throws Exception {
        Message message = (Message) fill(Class.forName(PACKAGE + name + "Data"), version, random);
        ByteBuffer bytes = MessageUtil.toVersionPrefixedByteBuffer(version, message);
        byte[] written = new byte[bytes.remaining() - Short.BYTES];
        bytes.get(bytes.position() + Short.BYTES, written);
        Method json = Class.forName(PACKAGE + name + "DataJsonConverter")
            .getMethod("write", message.getClass(), short.class);
        System.out.println(name + " " + version + " " + HexFormat.of().formatHex(written) + " "
            + json.invoke(null, message, version));
    }

    /** A message or struct whose fields of this version are random, by its setters. */
    static Object fill(Class<?> type, short version, Random random) throws Exception {
        Object filled = type.getDeclaredConstructor().newInstance();
        Method[] setters = type.getDeclaredMethods();
        Arrays.sort(setters, Comparator.comparing(Method::getName));
        for (Method setter : setters) {
            boolean sets = setter.getName().startsWith("set") && setter.getParameterCount() == 1
                && setter.getReturnType() == type;
            if (sets && has(type, field(setter), version)) {
                setter.invoke(filled, value(setter.getGenericParameterTypes()[0], version, random));
            }
        }
        return filled;
    }

    static String field(Method setter) {
        String name = setter.getName().substring(3);
        return Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    /** Whether the version's schema has the field; names there are in snake case. */
    static boolean has(Class<?> type, String field, short version) throws Exception {
        String name = snake(field);
        var schemas = (org.apache.kafka.common.protocol.types.Schema[]) type.getField("SCHEMAS").get(null);
        var schema = schemas[version];
        if (schema.get(name) != null) {
            return true;
        }
        for (var bound : schema.fields()) {
            if (bound.def.type instanceof org.apache.kafka.common.protocol.types.TaggedFields tagged) {
                return tagged.fields().values().stream().anyMatch(tag -> tag.name.equals(name));
            }
        }
        return false;
    }

    static String snake(String name) {
        return name.replaceAll("([a-z0-9])([A-Z])", "$1_$2").toLowerCase(java.util.Locale.ROOT);
    }

    static Object value(Type type, short version, Random random) throws Exception {
        if (type instanceof ParameterizedType list) {
            return list(new ArrayList<>(), list.getActualTypeArguments()[0], version, random);
        }
        Class<?> plain = (Class<?>) type;
        return switch (plain.getSimpleName()) {
            case "boolean" -> random.nextBoolean();
            case "byte", "Byte" -> (byte) random.nextInt();
            case "short", "Short" -> (short) random.nextInt();
            // Also where the schema says uint16, which is an int in Java.
            case "int", "Integer" -> random.nextInt(65536);
            case "long", "Long" -> random.nextLong();
            case "double" -> random.nextInt(1000) / 8.0;
            case "String" -> text(random);
            case "Uuid" -> new Uuid(random.nextLong() | 1, random.nextLong());
            case "byte[]" -> text(random).getBytes();
            case "BaseRecords" -> noRecords();
            default -> java.util.Collection.class.isAssignableFrom(plain)
                ? list((java.util.Collection<Object>) plain.getDeclaredConstructor().newInstance(),
                    ((ParameterizedType) plain.getGenericSuperclass()).getActualTypeArguments()[0], version, random)
                : fill(plain, version, random);
        };
    }

    /** An internal class since 4.2. */
    static Object noRecords() throws Exception {
        String name = "org.apache.kafka.common.record.MemoryRecords";
        try {
            return Class.forName(name).getField("EMPTY").get(null);
        } catch (ClassNotFoundException moved) {
            return Class.forName(name.replace("record.", "record.internal.")).getField("EMPTY").get(null);
        }
    }

    static Object list(java.util.Collection<Object> into, Type of, short version, Random random) throws Exception {
        for (int i = random.nextInt(3); i > 0; i--) {
            into.add(value(of, version, random));
        }
        return into;
    }

    static String text(Random random) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(6); i > 0; i--) {
            text.append((char) ('a' + random.nextInt(26)));
        }
        return text.toString();
    }
}
